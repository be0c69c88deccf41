import { sayCount } from './count.ts'
import type { Place } from './nginx-configuration.ts'

/** What an audit may find; in the order in which a person works it off. */
export const findingKinds = [
  'unseen',
  'unpaired',
  // A rollout comes to its end only when these are mended, so they stand before what it mends.
  'unexpected-file',
  'left-out',
  'expired',
  'uncovered',
  'expiring',
  'readable-key',
  'unmanaged',
  'unread',
  'rival',
  'copy',
  'orphan',
  'idle-versions',
] as const
export type FindingKind = (typeof findingKinds)[number]

export interface Finding {
  readonly kind: FindingKind
  /** `wrong`: it hurts users, or will; `tidy`: it is in the way. */
  readonly level: 'wrong' | 'tidy'
  readonly message: string
  readonly where: readonly { readonly node: string; readonly what: string }[]
  /** What to do on the controller, or anywhere. */
  readonly hints: readonly string[]
  /** Shell text to run as root on each of these nodes. */
  readonly commands: readonly string[]
}

/** One that is found on one node; `gather` brings the same of several nodes together. */
export type NodeFinding = Omit<Finding, 'where'> & { readonly node: string; readonly what: readonly string[] }

export function gather(found: readonly NodeFinding[]): Finding[] {
  const groups = Map.groupBy(found, ({ kind, level, message, hints, commands }) =>
    JSON.stringify([kind, level, message, hints, commands]),
  )
  const findings = [...groups.values()].map(([first, ...more]): Finding => {
    const { node: _, what: __, ...finding } = first!
    return {
      ...finding,
      where: [first!, ...more].flatMap(({ node, what }) => what.map((one) => ({ node, what: one }))),
    }
  })
  const rank = ({ level, kind }: Finding) =>
    (level === 'wrong' ? 0 : findingKinds.length) + findingKinds.indexOf(kind)
  return findings.toSorted((one, other) => rank(one) - rank(other))
}

export function sayPlace({ file, line }: Place): string {
  return `${file}:${line}`
}

/** A word of a command that somebody pastes into a shell. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll(`'`, `'\\''`)}'`
}

/** `media.hachyderm.io`, `media.hachyderm.io (and 2 more names)`, or who issued it where it has no name. */
export function sayNames({
  names,
  issuer,
}: {
  readonly names: readonly string[]
  readonly issuer: string
}): string {
  const [first, ...more] = names
  if (first === undefined) return `a certificate without names by ${issuer}`
  return more.length === 0 ? first : `${first} (and ${sayCount(more.length, 'more name')})`
}
