import { fileKinds } from './certificate.ts'
import type { ArchiveKind } from './certificate.ts'
import { isLoose, isOpen } from './mode.ts'
import type { Replacement, StrayRead } from './layout-reads.ts'
import type { Lineage } from './node.ts'

/** What is done to a node's layout with a person's yes, as plain data. */
export interface LayoutAdoption {
  /** What live holds is in the archive under this number, to go back to; `copied` is what is not there yet. */
  readonly keep?: { readonly number: number; readonly copied: readonly ArchiveKind[] }
  /** live/NAME is a link to this; a directory takes its place. */
  readonly directory?: string
  /** Whose owner or mode is put right, the outermost first, below the root. */
  readonly modes: readonly ModeChange[]
  /** Paths that nginx reads become links to live; what was there is kept beside each. */
  readonly reads: readonly Replacement[]
}

/** A path that became a link to live, and where what was there is now. */
export interface Placed {
  readonly kind: string
  readonly path: string
  /** What follows `path` in the name beside it: `.before-certs`. */
  readonly suffix: string
}

export interface ModeChange {
  readonly path: string
  /** `777 bob:bob` */
  readonly was: string
}

export interface LayoutAdoptionInput {
  readonly lineage: Lineage
  /** The files that are read of it there. */
  readonly kinds: readonly ArchiveKind[]
  /** The number of the version that is brought; what is kept stays below it. */
  readonly to: number
  /** Numbers that mean something elsewhere. */
  readonly avoid: ReadonlySet<number>
  /** What nginx reads for its names from elsewhere. */
  readonly strays: readonly StrayRead[]
}

/** Undefined where there is nothing to do. */
export function planLayoutAdoption(input: LayoutAdoptionInput): LayoutAdoption | undefined {
  const { lineage, kinds } = input
  const modes = [...wrongFolders(lineage), ...openKeys(lineage)]
  const target = lineage.folders.find(({ path }) => path === `live/${lineage.certificate}`)?.target
  const directory = lineage.liveDirectory === 'link' ? (target ?? '') : undefined
  const keep = wantsKeeping(lineage, kinds) ? chooseKept(lineage, input) : undefined
  const reads = replacementsIn(input.strays)
  if (modes.length + reads.length === 0 && directory === undefined && !keep) return undefined
  return { modes, reads, ...(keep && { keep }), ...(directory === undefined ? {} : { directory }) }
}

/** Each path once. */
function replacementsIn(strays: readonly StrayRead[]): Replacement[] {
  return [
    ...new Map(strays.flatMap(({ replacements }) => replacements).map((one) => [one.path, one])).values(),
  ]
}

export function realFiles({ live }: Lineage, kinds: readonly ArchiveKind[]): ArchiveKind[] {
  return kinds.filter((kind) => live[kind]?.is === 'file')
}

/** Folders that others could change, the outermost first. */
export function wrongFolders({ folders }: Lineage): ModeChange[] {
  return folders
    .filter(({ is, mode, foreign }) => is === 'directory' && (foreign || isLoose(mode)))
    .map(({ path, mode, owner }) => ({ path, was: `${mode} ${owner}` }))
}

/** Keys that others than owner and group may read, if they can get there. */
export function openKeys({ certificate, archive }: Lineage): ModeChange[] {
  return archive
    .filter(({ kind, mode }) => (kind === 'privkey' || kind === 'combined') && isOpen(mode))
    .map(({ kind, number, mode, owner }) => {
      return { path: `archive/${certificate}/${kind}${number}.pem`, was: `${mode} ${owner}` }
    })
}

/**
 * The number that a new version must be above, for what lies in live to have one: the lowest that is free. Zero where
 * nothing has to be kept, or the archive has it.
 */
export function reservedNumber(lineage: Lineage): number {
  if (!wantsKeeping(lineage, fileKinds) || archivedAs(lineage, fileKinds) !== undefined) return 0
  const used = numbersOf(lineage)
  let number = lowestKnown(used) + 1
  while (used.has(number)) number++
  return number
}

/** What live leads to is not, or not surely, a version of the archive. */
function wantsKeeping({ live, liveDirectory }: Lineage, kinds: readonly ArchiveKind[]): boolean {
  const held = kinds.flatMap((kind) => live[kind] ?? []).filter((entry) => 'sha256' in entry)
  if (held.length === 0) return false
  return liveDirectory === 'link' || held.some((entry) => !('number' in entry))
}

function chooseKept(
  lineage: Lineage,
  { kinds, to, avoid }: LayoutAdoptionInput,
): NonNullable<LayoutAdoption['keep']> {
  const number = archivedAs(lineage, kinds) ?? freeBelow(lineage, { to, avoid })
  const has = (kind: ArchiveKind) =>
    lineage.archive.some((file) => file.number === number && file.kind === kind)
  return { number, copied: kinds.filter((kind) => sumIn(lineage, kind) !== undefined && !has(kind)) }
}

/** The highest version of the archive that holds what live does, or a part of that and nothing else. */
function archivedAs(lineage: Lineage, kinds: readonly ArchiveKind[]): number | undefined {
  const held = kinds.filter((kind) => sumIn(lineage, kind) !== undefined)
  const read = lineage.archive.filter(({ kind }) => kinds.includes(kind))
  const versions = [...Map.groupBy(read, ({ number }) => number)]
  const equal = (files: Lineage['archive']) =>
    files.filter(({ kind, sha256 }) => sumIn(lineage, kind) === sha256).length
  const whole = versions.filter(([, files]) => equal(files) === held.length)
  const part = versions.filter(([, files]) => equal(files) === files.length)
  const numbers = (whole.length > 0 ? whole : part).map(([number]) => number)
  return numbers.length === 0 ? undefined : Math.max(...numbers)
}

function sumIn({ live }: Lineage, kind: ArchiveKind): string | undefined {
  const entry = live[kind]
  return entry && 'sha256' in entry ? entry.sha256 : undefined
}

/** Preferably one that is used nowhere, so that a number means the same on every node. */
function freeBelow(lineage: Lineage, { to, avoid }: Pick<LayoutAdoptionInput, 'to' | 'avoid'>): number {
  const used = numbersOf(lineage)
  const lowest = lowestKnown(used)
  let free = to - 1
  while (free > lowest && used.has(free)) free--
  for (let number = free; number > lowest; number--) {
    if (!used.has(number) && !avoid.has(number)) return number
    // What comes before is free on no account.
    if (free - number > used.size + avoid.size) break
  }
  return free
}

function numbersOf({ archive }: Lineage): Set<number> {
  return new Set(archive.map(({ number }) => number))
}

/** Of a long archive only the newest versions are told: below them nothing is known to be free. */
function lowestKnown(used: ReadonlySet<number>): number {
  return used.size < 12 ? 0 : Math.min(...used)
}
