import type { NodeStep } from '../src/core/errors.ts'
import type { Node } from '../src/core/node.ts'
import { printableLine } from '../src/core/printable.ts'
import type {
  Candidate,
  PruneBackup,
  PruneEntry,
  PruneItem,
  PruneTarget,
  Weighed,
} from '../src/core/prune.ts'
import { decode, encode, newToken, type Answer, type Verb } from './node/frame.ts'
import { patience, serviceSettings } from './node/service-settings.ts'
import { readRefusal } from './node/refusal.ts'
import type { Shell } from './shell.ts'

export interface PruneOptions {
  readonly signal?: AbortSignal | undefined
  /** Seconds that a test of nginx and a search may each take. */
  readonly limit?: number | undefined
}

/** An answer is capped; so many items with their entries fit well into it. */
const itemsPerCall = 40

/** What these candidates are made of and who else names them. Writes nothing. Throws NodeError with step `inspect`. */
export async function weigh(
  shell: Shell,
  node: Node,
  { candidates, ...options }: PruneOptions & { readonly candidates: readonly Candidate[] },
): Promise<Weighed> {
  const weighed: Weighed[] = []
  for (let first = 0; first === 0 || first < candidates.length; first += itemsPerCall) {
    const some = candidates.slice(first, first + itemsPerCall)
    const item = some.flatMap(({ target }, index) => sayTarget(target, index + 1))
    weighed.push(
      readWeighed(await call(shell, node, { verb: 'weigh', settings: { item }, ...options }), some),
    )
  }
  const lacking = weighed.find((one) => one.lacking)?.lacking
  return {
    items: weighed.flatMap(({ items }) => items),
    unfinished: weighed[0]!.unfinished,
    ...(lacking === undefined ? {} : { lacking }),
  }
}

function sayTarget(target: PruneTarget, number: number): string[] {
  switch (target.is) {
    case 'lineage':
      return [`lineage ${target.name}`, ...target.links.map((path) => `path ${path}`)].map(
        (text) => `${number} ${text}`,
      )
    case 'version':
      return [`${number} version ${target.name} ${target.number}`]
    case 'files':
      return target.paths.map((path) => `${number} path ${path}`)
  }
}

function readWeighed(answer: Answer, candidates: readonly Candidate[]): Weighed {
  const placesOf = (name: string, item: number, kind = '') =>
    answer.all(name).flatMap((line) => {
      const words = `${item} ${kind === '' ? '' : `${kind} `}`
      return line.startsWith(words) ? printableLine(line.slice(words.length)) : []
    })
  const entries = answer.all('entry').map((line) => line.split('\t'))
  const missing = answer.last('lacking')
  return {
    items: candidates.map((_, index) => ({
      entries: entries.flatMap((fields) => readEntry(fields, String(index + 1))),
      named: placesOf('named', index + 1, 'service'),
      idle: placesOf('named', index + 1, 'idle'),
      led: placesOf('led', index + 1),
    })),
    unfinished: answer.all('unfinished').map((id) => printableLine(id)),
    ...(missing === undefined ? {} : { lacking: 'the search took too long, and was ended' }),
  }
}

const types: Readonly<Record<string, PruneEntry['type']>> = { f: 'file', l: 'link', d: 'folder' }

function readEntry([item, how, ...fields]: readonly string[], wanted: string): PruneEntry[] {
  if (item !== wanted || how === 'lineage') return []
  const [type = '', mode, owner, sum, , path = '', target = ''] = fields
  const said = [type, mode, owner, sum, path, target].join(' ')
  return [{ type: types[type] ?? 'other', path: printableLine(path, { max: 4096 }), said }]
}

export interface PruneAnswer {
  readonly backup?: string
  /** Places in `items`. */
  readonly gone: readonly number[]
  readonly kept: readonly { readonly item: number; readonly because: string }[]
  /** Backups of runs that were cut off, which were put back first. */
  readonly recovered: readonly string[]
}

/**
 * Takes these items away into a backup, all of them or, where nginx's test then fails, none. What is not any more what it
 * was when it was weighed stays. Throws NodeError with step `prune`.
 */
export async function prune(
  shell: Shell,
  node: Node,
  {
    items,
    backup,
    ...options
  }: PruneOptions & { readonly items: readonly PruneItem[]; readonly backup: string },
): Promise<PruneAnswer> {
  const settings = {
    backup,
    item: items.flatMap(({ target }, index) => sayTarget(target, index + 1)),
    expect: items.flatMap(({ entries }, index) => entries.map(({ said }) => `${index + 1} ${said}`)),
  }
  const answer = await call(shell, node, { verb: 'prune', settings, ...options })
  const made = answer.last('backup')
  return {
    ...(made === undefined ? {} : { backup: printableLine(made) }),
    gone: inOrder(answer.all('goes').map((line) => ({ item: Number(line) - 1 }))).map(({ item }) => item),
    kept: inOrder(
      answer.all('stays').map((line) => {
        const [item = '', ...words] = line.split(' ')
        return { item: Number(item) - 1, because: sayStays(words) }
      }),
    ),
    recovered: answer.all('recovered').map((id) => printableLine(id)),
  }
}

function inOrder<Of extends { readonly item: number }>(items: readonly Of[]): Of[] {
  return items.toSorted((one, other) => one.item - other.item)
}

function sayStays([code = '', ...words]: readonly string[]): string {
  const place = printableLine(words.join(' '))
  switch (code) {
    case 'led':
      return `${place} leads to it now`
    case 'read':
      return `nginx reads ${place} now`
    case 'named':
      return `${place} names it now`
    default:
      return 'it changed meanwhile'
  }
}

/** Puts back what runs that were cut off had taken; returns their backups. Throws NodeError. */
export async function mend(shell: Shell, node: Node, options: PruneOptions = {}): Promise<string[]> {
  const answer = await call(shell, node, { verb: 'mend', settings: {}, ...options })
  return answer.all('recovered').map((id) => printableLine(id))
}

export async function listBackups(
  shell: Shell,
  node: Node,
  options: PruneOptions = {},
): Promise<PruneBackup[]> {
  const answer = await call(shell, node, { verb: 'backups', settings: {}, ...options })
  return answer.all('backup').map((line) => {
    const [id = '', state, files, size] = line.split(' ')
    return {
      node: node.name,
      id: printableLine(id),
      unfinished: state === 'unfinished',
      files: Number(files) || 0,
      bytes: (Number(size) || 0) * 1024,
    }
  })
}

/** Brings everything of a backup back to where it was, or nothing; returns how many files. Throws NodeError. */
export async function restore(shell: Shell, node: Node, { backup, ...options }: OfBackup): Promise<number> {
  const answer = await call(shell, node, { verb: 'restore', settings: { backup }, ...options })
  return Number(answer.last('restored'))
}

/** For good. Throws NodeError. */
export async function forget(shell: Shell, node: Node, { backup, ...options }: OfBackup): Promise<void> {
  await call(shell, node, { verb: 'forget', settings: { backup }, ...options })
}

export interface OfBackup extends PruneOptions {
  readonly backup: string
}

interface Call extends PruneOptions {
  readonly verb: Verb
  readonly settings: Readonly<Record<string, string | readonly string[]>>
}

async function call(shell: Shell, node: Node, { verb, settings, signal, limit = 30 }: Call): Promise<Answer> {
  const token = newToken()
  const order = {
    root: node.root,
    limit: String(limit),
    ...serviceSettings(node.services),
    ...settings,
  }
  const looks = verb === 'weigh' || verb === 'backups'
  const step: NodeStep = looks ? 'inspect' : 'prune'
  const said = await shell.run(encode({ verb, settings: order }, token), {
    signal,
    silenceMs: patience(node.services, limit) + (limit * 2 + 60) * 1000,
  })
  const answer = decode(said, token, { node: node.name, step, left: looks ? 'unchanged' : 'unknown' })
  if (!answer.ok)
    throw readRefusal(node, { verb, certificate: '', number: 0, limit, services: node.services }, answer)
  return answer
}
