import type { NodeError } from '../../src/core/errors.ts'
import { printable, printableLine } from '../../src/core/printable.ts'
import { causeOf } from '../cause.ts'
import type { Said } from '../shell.ts'
import { hopError, placeOf } from './hop.ts'
import type { Login } from './login.ts'
import type { Transcript } from './transcript.ts'

/** How a session came to its end. */
export type Outcome =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: string }
  /** The connection died, or the channel was closed without a word. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'silent'; readonly ms: number }
  | { readonly kind: 'flooded' }
  | { readonly kind: 'interrupted' }

export interface Context {
  readonly login: Login
  readonly sudo: boolean
  readonly transcript: Transcript
}

/** Only an exit code of a shell that has proved to be there is an answer. */
export function saidOrThrow(outcome: Outcome, context: Context): Said {
  const { transcript } = context
  if (outcome.kind !== 'exited') throw noAnswer(outcome, context)
  if (!transcript.started) throw notStarted(outcome.code, context)
  return { stdout: transcript.stdout, stderr: transcript.stderr, exitCode: outcome.code }
}

/** Nothing was sent, so nothing was done. */
export function whyNotOpened({ hop, gone, because }: Login, cause: unknown): NodeError {
  const why = gone()
    ? `the connection is gone: ${because()}`
    : causeOf(cause).replace('(SSH) Channel open failure: ', '')
  return hopError(hop, 'connect', {
    message: `start a shell on ${placeOf(hop)} failed: ${why}`,
    hint: gone()
      ? undefined
      : 'its sshd must allow sessions and commands; see MaxSessions and ForceCommand in sshd_config',
    cause,
  })
}

function noAnswer(outcome: Exclude<Outcome, { kind: 'exited' }>, { login, transcript }: Context): NodeError {
  const { hop } = login
  return hopError(hop, 'connect', {
    message: `the shell on ${placeOf(hop)} gave no result: ${sayWhy(outcome, login)}`,
    detail: printable(transcript.stderr),
    hint: 'run the same command again: it looks at the node first, and continues',
    left: 'unknown',
  })
}

function sayWhy(outcome: Exclude<Outcome, { kind: 'exited' }>, login: Login): string {
  switch (outcome.kind) {
    case 'killed':
      return `it was killed by ${printableLine(outcome.signal)}`
    case 'lost':
      return login.gone() ? `the connection died: ${login.because()}` : 'it was closed without an exit code'
    case 'silent':
      return `nothing was heard for ${outcome.ms / 1000} s`
    case 'flooded':
      return 'it said more than 256 KB'
    case 'interrupted':
      return 'interrupted'
  }
}

/** Something else than our shell took the command and ended: sudo, a login shell, a forced command. */
function notStarted(code: number, { login, sudo, transcript }: Context): NodeError {
  const { hop } = login
  const { user } = hop.target
  const said = printable(`${transcript.noise}\n${transcript.stderr}`)
  if (sudo && (/\bsudo\b/.test(transcript.stderr) || said === '')) {
    return hopError(hop, 'sudo', {
      message: `sudo -n /bin/sh -s as ${user} failed (exit ${code}): ${lastLine(said) ?? 'without a word'}`,
      detail: said,
      hint: [
        'allow exactly this, with visudo -f /etc/sudoers.d/certs on the node:',
        `${user} ALL=(root) NOPASSWD: /bin/sh -s`,
      ],
      exitCode: code,
    })
  }
  return hopError(hop, 'authenticate', {
    message: `no shell for ${user} at ${placeOf(hop)} (exit ${code}): ${lastLine(said) ?? 'it ended without a word'}`,
    detail: said,
    hint: `its login shell must run commands (getent passwd ${user}), and no ForceCommand or command= may stand before it`,
    exitCode: code,
  })
}

function lastLine(text: string): string | undefined {
  return text.split('\n').findLast((line) => line !== '')
}
