import { shellWord } from './audit-finding.ts'
import { fileKinds } from './certificate.ts'
import type { ArchiveKind, FileKind } from './certificate.ts'
import type { Drift } from './drift.ts'
import type { Folder, Inspection, Lineage } from './node.ts'

export interface LayoutInput {
  readonly lineage: Lineage
  readonly inspection: Inspection
  /** The files that are read of it there. */
  readonly kinds: readonly ArchiveKind[]
  /** The number under which a version is brought; undefined when none is. */
  readonly to: number | undefined
}

/** What differs from the way in which certbot keeps a certificate, each with what mends it. */
export function judgeLayout(input: LayoutInput): Drift[] {
  return [
    ...input.lineage.folders.flatMap((folder) => judgeFolder(folder, input)),
    ...judgeRealFiles(input),
    ...judgeLinks(input),
    ...judgeArchive(input),
    ...judgeKeyModes(input),
    ...judgeRivals(input),
  ]
}

/** The node program changes nothing in folders that others than root could change under it. */
function judgeFolder(folder: Folder, { inspection: { root } }: LayoutInput): Drift[] {
  const where = folder.path === '.' ? root : folder.path
  const path = folder.path === '.' ? root : `${root}/${folder.path}`
  const block = (because: string, hint: string): Drift[] => [{ kind: 'blocked', because, hint }]
  if (folder.is === 'link') {
    const leads = `${where} is itself a link (${folder.target})`
    // What a root leads to is what it is.
    return folder.path === '.' ? [] : block(leads, 'replace it on the node by the directory it leads to')
  }
  if (folder.is === 'other') return block(`${where} is no directory`, `move it away on the node`)
  const { mode, owner, foreign } = folder
  return [
    ...(foreign
      ? block(`${where} belongs to ${owner}`, `as root there: chown root: ${shellWord(path)}`)
      : []),
    ...(isLoose(mode)
      ? block(
          `${where} can be written by others (mode ${mode})`,
          `as root there: chmod go-w ${shellWord(path)}`,
        )
      : []),
  ]
}

/** Whether a mode in octal lets group or others write. */
export function isLoose(mode: string): boolean {
  return (Number.parseInt(mode, 8) & 0o022) !== 0
}

function judgeRealFiles({ lineage: { certificate, live }, kinds }: LayoutInput): Drift[] {
  const files = kinds.filter((kind) => live[kind]?.is === 'file')
  if (files.length === 0) return []
  const paths = files.map((kind) => `live/${certificate}/${kind}.pem`).join(', ')
  const hint = `move it on the node into archive/${certificate}/ under the next free number and link to it`
  return [{ kind: 'blocked', because: `${paths} is a real file, not a link`, hint }]
}

function judgeLinks({ lineage, to }: LayoutInput): Drift[] {
  if (to === undefined || lineage.liveDirectory !== 'directory') return []
  const links = fileKinds.flatMap((kind): Drift[] => {
    const because = sayLink(kind, lineage)
    return because === undefined ? [] : [{ kind: 'mend', because, repair: `becomes a link to version ${to}` }]
  })
  return [...links, ...judgeMixture(lineage, to)]
}

/** Undefined for a link as certbot makes it. */
function sayLink(kind: FileKind, { certificate, live }: Lineage): string | undefined {
  const entry = live[kind]
  const path = `live/${certificate}/${kind}.pem`
  if (entry.is === 'missing') return `${path} is missing`
  if (entry.is !== 'link') return undefined
  const { target, number } = entry
  if (goesRound(kind, live)) return `${path} leads in a circle (${target})`
  if (entry.sha256 === undefined) return `${path} points to nothing (${target})`
  if (number === undefined) return `${path} points elsewhere than to an archive/${certificate} (${target})`
  if (target.startsWith('/')) return `${path} is an absolute link (${target})`
  if (target !== `../../archive/${certificate}/${kind}${number}.pem`)
    return `${path} is not the link that certbot makes (${target})`
  return undefined
}

/** Links among the four files that never leave them. */
function goesRound(kind: FileKind, live: Lineage['live']): boolean {
  let at: FileKind | undefined = kind
  for (let hops = 0; hops < fileKinds.length; hops++) {
    const entry: Lineage['live'][FileKind] = live[at]
    const next: string | undefined =
      entry.is === 'link' ? /^(?:\.\/)?([a-z]+)\.pem$/.exec(entry.target)?.[1] : undefined
    at = fileKinds.find((one) => one === next)
    if (at === undefined) return false
  }
  return true
}

function judgeMixture({ certificate, live }: Lineage, to: number): Drift[] {
  const numbers = fileKinds.flatMap((kind) => {
    const entry = live[kind]
    return entry.is === 'link' && entry.sha256 !== undefined && entry.number !== undefined ? entry.number : []
  })
  const different = [...new Set(numbers)].toSorted((a, b) => a - b)
  if (different.length < 2) return []
  const because = `live/${certificate} mixes versions ${different.join(' and ')}`
  return [{ kind: 'mend', because, repair: `all of it becomes version ${to}` }]
}

/** What the number of a new version stays above, whatever lies there. */
function judgeArchive({ lineage, to }: LayoutInput): Drift[] {
  if (to === undefined) return []
  const { certificate, archive, odd } = lineage
  const kindsOf = Map.groupBy(archive, ({ number }) => number)
  const numbers = [...kindsOf.keys()].toSorted((a, b) => a - b)
  const halves = numbers.flatMap((number): Drift[] => {
    const missing = fileKinds.filter((kind) => !kindsOf.get(number)!.some((file) => file.kind === kind))
    if (missing.length === 0) return []
    const because = `version ${number} in archive/${certificate} is not complete: no ${missing.join(', ')}`
    const repair = number < to ? `it stays, and version ${to} is above it` : `it is completed`
    return [{ kind: 'mend', because, repair }]
  })
  const gaps = numbers.flatMap((number, index) => {
    const next = numbers[index + 1]
    return next === undefined || next === number + 1 ? [] : sayRange(number + 1, next - 1)
  })
  const mend = (because: string, repair: string): Drift => ({ kind: 'mend', because, repair })
  return [
    ...halves,
    ...(gaps.length === 0
      ? []
      : [
          mend(
            `archive/${certificate} has no version ${gaps.join(', ')}`,
            `the gap stays; the new number is ${to}`,
          ),
        ]),
    ...(odd.length === 0
      ? []
      : [
          mend(
            `live/${certificate} and archive/${certificate} hold ${odd.slice(0, 6).join(', ')} too`,
            'left as it is',
          ),
        ]),
  ]
}

function sayRange(from: number, to: number): string {
  return from === to ? `${from}` : `${from} to ${to}`
}

/** Keys that every user can reach: a folder that others may not enter protects what is in it. */
function judgeKeyModes({ lineage, inspection: { root } }: LayoutInput): Drift[] {
  const { certificate, archive, folders } = lineage
  const way = folders.filter(({ path }) => !path.startsWith('live'))
  const open = archive.filter(({ kind, mode }) => /^(privkey|combined)$/.test(kind) && isOpen(mode))
  if (open.length === 0 || !way.every(({ mode }) => (Number.parseInt(mode, 8) & 0o001) !== 0)) return []
  const paths = open.map(({ kind, number }) => `archive/${certificate}/${kind}${number}.pem`)
  const close = `chmod o-rwx ${paths.map((path) => shellWord(`${root}/${path}`)).join(' ')}`
  return [
    { kind: 'notice', because: `every user there may read ${paths.join(', ')}; as root there: ${close}` },
  ]
}

/** Whether a mode in octal lets everybody do anything. */
function isOpen(mode: string): boolean {
  return (Number.parseInt(mode, 8) & 0o007) !== 0
}

/** A certbot that is at work there, and what it will do. */
function judgeRivals({ lineage, inspection: { certbot, root } }: LayoutInput): Drift[] {
  const { certificate, renewalFile, siblings } = lineage
  const by = certbot.timer ? 'its timer' : certbot.cron ? 'cron' : undefined
  const stop = (name: string) => {
    const file = shellWord(`${root}/renewal/${name}.conf`)
    return `to stop it, as root there: mv ${file} ${file}.off`
  }
  const own: Drift[] =
    by !== undefined && renewalFile
      ? [
          {
            kind: 'notice',
            because: `certbot renews ${certificate} here too (${by}): it issues beside certs, and moves the links in live/${certificate} to its own version; ${stop(certificate)}`,
          },
        ]
      : []
  const others = siblings.map((sibling): Drift => {
    const what = `live/${sibling.name} is another lineage for ${certificate}`
    return by !== undefined && sibling.renewalFile
      ? { kind: 'notice', because: `${what}, and certbot renews it (${by}); ${stop(sibling.name)}` }
      : { kind: 'mend', because: what, repair: 'left as it is; certs audit says whether anything reads it' }
  })
  return [...own, ...others]
}
