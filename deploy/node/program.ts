import { readFileSync } from 'node:fs'
import { sha256 } from '../../src/core/certificate.ts'

/** The program's files, in the order they are put together; functions only, `main` last. */
const change = ['frame', 'serving', 'ways', 'lineage', 'lock', 'stage', 'exchange', 'switch'] as const

const parts = {
  rollout: [...change, 'install', 'main'],
  // Apart, so that none is sent what it has no use for.
  adopting: [...change, 'layout', 'install', 'main'],
  inspect: ['frame', 'serving', 'ways', 'reads', 'lineage', 'exchange', 'inspect', 'main'],
  audit: ['frame', 'serving', 'reads', 'inspect', 'configuration', 'elsewhere', 'material', 'audit', 'main'],
  // For who is root there only: an installed program does not have it.
  housekeeping: [
    'frame',
    'serving',
    'reads',
    'inspect',
    'configuration',
    'elsewhere',
    'material',
    'audit',
    'lock',
    'adopt',
    'named',
    'candidates',
    'backup',
    'prune',
    'main',
  ],
} as const

export type Program = keyof typeof parts
export const programs = Object.keys(parts) as Program[]

const texts = new Map<string, string>()
const prefixes = new Map<Program, string>()

function read(part: string): string {
  const known = texts.get(part) ?? readFileSync(new URL(`./${part}.sh`, import.meta.url), 'utf8')
  texts.set(part, known)
  return known
}

/** The whole program as it stands in the repository. */
export function programText(program: Program = 'rollout'): string {
  return parts[program].map(read).join('')
}

/**
 * What every input begins with, for `Shell.prepare`. Comment lines and indentation stay at home: what is sent
 * then fits into the first flights of a TCP connection.
 */
export function programPrefix(program: Program = 'rollout'): string {
  const known = prefixes.get(program) ?? bare(programText(program))
  prefixes.set(program, known)
  return known
}

/**
 * The program as root keeps it on a node, for a login that can do nothing else. `pinned` is the path of the file
 * whose lines `root`, `test` and `reload` an order must have, for services that stand there; it must need no quotes.
 */
export function sealedProgram(pinned: string): string {
  return `#!/bin/sh\n${everything()}\nsealed ${sealedHash()} ${pinned}\n`
}

/** What an installed program answers, to be compared with what this controller would install. */
export function sealedHash(): string {
  return sha256(bare(everything()))
}

function everything(): string {
  return [
    ...new Set([...parts.audit.slice(0, -1), ...parts.inspect.slice(0, -1), ...parts.adopting, 'sealed']),
  ]
    .map(read)
    .join('')
}

/** What an input begins with that sets such a login up; its call is `set_up`. */
export function setupPrefix(): string {
  return bare(['frame', 'main', 'setup'].map(read).join(''))
}

function bare(text: string): string {
  return text.replaceAll(/^[ \t]*#.*\n|^[ \t]+|^\n/gm, '')
}
