import { NodeError } from '../src/core/errors.ts'
import { printable, printableLine } from '../src/core/printable.ts'
import type { Said } from './shell.ts'
import type { Transcript } from './transcript.ts'

/** How a shell came to its end. */
export type Outcome =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: string }
  /** The connection died, or the channel was closed without a word. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'silent'; readonly ms: number }
  /** It went on talking. */
  | { readonly kind: 'endless'; readonly ms: number }
  | { readonly kind: 'flooded' }
  | { readonly kind: 'interrupted' }

export interface Context {
  readonly node: string
  /** Where the shell is, for messages: `203.0.113.11`, `this machine`. */
  readonly place: string
  readonly user: string
  readonly sudo: boolean
  /** Why the connection is gone; undefined while it is not. */
  readonly gone: () => string | undefined
  readonly transcript: Transcript
}

/** Only an exit code of a shell that has proved to be there is an answer. */
export function saidOrThrow(outcome: Outcome, context: Context): Said {
  const { transcript } = context
  if (outcome.kind !== 'exited') throw noAnswer(outcome, context)
  if (!transcript.started) throw notStarted(outcome.code, context)
  return { stdout: transcript.stdout, stderr: transcript.stderr, exitCode: outcome.code }
}

type NoAnswer = Exclude<Outcome, { kind: 'exited' }>

function noAnswer(outcome: NoAnswer, { node, place, gone, transcript }: Context): NodeError {
  return new NodeError(`the shell on ${place} gave no result: ${sayWhy(outcome, gone())}`, {
    node,
    step: 'connect',
    detail: printable(transcript.stderr),
    hint: 'run the same command again: it looks at the node first, and continues',
    left: 'unknown',
  })
}

function sayWhy(outcome: NoAnswer, gone: string | undefined): string {
  switch (outcome.kind) {
    case 'killed':
      return `it was killed by ${printableLine(outcome.signal)}`
    case 'lost':
      return gone === undefined ? 'it was closed without an exit code' : `the connection died: ${gone}`
    case 'silent':
      return `nothing was heard for ${outcome.ms / 1000} s`
    case 'endless':
      return `it was not done after ${outcome.ms / 1000} s`
    case 'flooded':
      return 'it said more than 256 KB'
    case 'interrupted':
      return 'interrupted'
  }
}

/** Something else than our shell took the command and ended: sudo, a login shell, a forced command. */
function notStarted(code: number, { node, place, user, sudo, transcript }: Context): NodeError {
  const said = printable(`${transcript.noise}\n${transcript.stderr}`)
  if (sudo && (/\bsudo\b/.test(transcript.stderr) || said === '')) {
    const because = lastLine(said) ?? 'without a word'
    return new NodeError(`sudo -n /bin/sh -s as ${user} failed (exit ${code}): ${because}`, {
      node,
      step: 'sudo',
      detail: said,
      hint: [
        'allow exactly this, with visudo -f /etc/sudoers.d/certs on the node:',
        `${user} ALL=(root) NOPASSWD: /bin/sh -s`,
      ],
      exitCode: code,
    })
  }
  const because = lastLine(said) ?? 'it ended without a word'
  if (/\bsudo\b/.test(transcript.stderr)) {
    return new NodeError(`the login ${user} at ${place} can't start its program (exit ${code}): ${because}`, {
      node,
      step: 'authenticate',
      detail: said,
      hint: ['set it up again, as somebody who may:', `certs nodes setup ${node} --apply --login root`],
      exitCode: code,
    })
  }
  return new NodeError(`no shell for ${user} at ${place} (exit ${code}): ${because}`, {
    node,
    step: 'authenticate',
    detail: said,
    hint: `its login shell must run commands (getent passwd ${user}), and no ForceCommand or command= may stand before it`,
    exitCode: code,
  })
}

function lastLine(text: string): string | undefined {
  return text.split('\n').findLast((line) => line !== '')
}
