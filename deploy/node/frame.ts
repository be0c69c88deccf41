import { randomBytes } from 'node:crypto'
import { ConfigError, NodeError, type NodeStep } from '../../src/core/errors.ts'
import { printable } from '../../src/core/printable.ts'
import type { Said } from '../shell.ts'
import { programPrefix, sealedHash } from './program.ts'
import type { Program } from './program.ts'

export type Verb = keyof typeof programOf

const programOf = {
  inspect: 'inspect',
  install: 'rollout',
  rollback: 'rollout',
  audit: 'audit',
  renewals: 'housekeeping',
  adopt: 'housekeeping',
  weigh: 'housekeeping',
  prune: 'housekeeping',
  mend: 'housekeeping',
  restore: 'housekeeping',
  backups: 'housekeeping',
  forget: 'housekeeping',
} as const satisfies Record<string, Program>

/** What the program is told: settings by name (a list is one line for each item), and PEM files. */
export interface Input {
  readonly verb: Verb
  readonly settings: Readonly<Record<string, string | readonly string[]>>
  readonly files?: Readonly<Record<'privkey' | 'cert' | 'chain', string>>
}

/** Words of one call only, so that neither noise nor an older answer is taken for its answer. */
export function newToken(): string {
  return randomBytes(12).toString('hex')
}

/** The whole input of one call. Every value travels in base64 inside a quoted here-document. */
export function encode({ verb, settings, files }: Input, token: string): string {
  const data = { verb, order: base64(settingsText(settings)) }
  const pems = Object.entries(files ?? {}).map(([name, pem]) => [name, base64(pem)])
  const lines = [['token', token], ...Object.entries(data), ...pems, ['end', token]]
  const body = lines.map(([name, value]) => `${name} ${value}\n`).join('')
  const program = settings['adopt']?.length ? 'adopting' : programOf[verb]
  return `${programPrefix(program)}main <<'END_${token}'\n${body}END_${token}\n`
}

/** Framed lines, each a name and what follows it. */
export interface Lines {
  /** What follows the name on its last line; undefined when it was not said. */
  last(name: string): string | undefined
  /** What follows the name on each of its lines, in order. */
  all(name: string): readonly string[]
}

/** The framed lines of one answer. */
export interface Answer extends Lines {
  readonly ok: boolean
  /** Whose program answered: the one just sent, or one that is installed on the node (`certs nodes setup`). */
  readonly program: 'sent' | 'installed' | 'outdated'
  /** The lines after each line of that name, up to the next one; `of` is what follows the name. */
  parts(name: string): readonly (Lines & { readonly of: string })[]
}

/** Whose answer it is, and what a missing one leaves behind. */
export interface At {
  readonly node: string
  readonly step: NodeStep
  readonly left: 'unchanged' | 'unknown'
}

/** Reads an answer. Throws NodeError unless it is framed by this token and whole. */
export function decode(said: Said, token: string, at: At): Answer {
  const lines = said.stdout.split('\n').filter((line) => line.startsWith(`${token} `))
  const words = lines.map((line) => /^\S+ ([a-z]+)(?: (.*))?$/.exec(line.replace(/\r$/, '')))
  const end = words.findIndex((match) => match?.[1] === 'end')
  const verdict = words[end]?.[2]
  const hash = words.find((match) => match?.[1] === 'program')?.[2]
  const program = hash === undefined ? 'sent' : hash === sealedHash() ? 'installed' : 'outdated'
  if (end < 0 || end !== words.length - 1 || (verdict !== 'ok' && verdict !== 'failed')) {
    throw new NodeError(`${at.step} gave no complete answer (exit ${said.exitCode})`, {
      ...at,
      exitCode: said.exitCode,
      detail: printable(said.stderr),
      hint:
        program === 'outdated'
          ? `the program installed there is of another version of certs: certs nodes setup ${at.node} --apply --login root`
          : `look at what /bin/sh -s says on the node: its output has to come back unchanged`,
    })
  }
  const named = words.map((match): Line => [match?.[1] ?? '', match?.[2] ?? ''])
  return { ok: verdict === 'ok', program, ...linesOf(named), parts: (name) => partsOf(named, name) }
}

type Line = readonly [name: string, rest: string]

function linesOf(lines: readonly Line[]): Lines {
  const all = (name: string) => lines.filter((line) => line[0] === name).map((line) => line[1])
  return { last: (name) => all(name).at(-1), all }
}

function partsOf(lines: readonly Line[], name: string): ReturnType<Answer['parts']> {
  const starts = lines.flatMap((line, index) => (line[0] === name ? [index] : []))
  return starts.map((start, index) => ({
    of: lines[start]![1],
    ...linesOf(lines.slice(start + 1, starts[index + 1])),
  }))
}

/** The name and words of a line as it arrives, if it is of this call. */
export function progress(line: string, token: string): string | undefined {
  return line.startsWith(`${token} step `) ? line.slice(token.length + 6).trim() : undefined
}

function settingsText(settings: Input['settings']): string {
  const lines = Object.entries(settings).flatMap(([name, value]) =>
    [value].flat().map((item) => `${name} ${oneLine(name, item)}\n`),
  )
  return lines.join('')
}

function oneLine(name: string, value: string): string {
  // oxlint-disable-next-line no-control-regex
  if (!/[\0-\x1f\x7f]/.test(value)) return value
  throw new ConfigError(`the ${name} ${JSON.stringify(value)} for the node holds a control character`)
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}
