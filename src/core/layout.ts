import { openKeys, realFiles } from './layout-adoption.ts'
import type { LayoutAdoption } from './layout-adoption.ts'
import { shellWord } from './audit-finding.ts'
import { fileKinds } from './certificate.ts'
import type { ArchiveKind, FileKind } from './certificate.ts'
import { sayCount } from './count.ts'
import type { Drift } from './drift.ts'
import type { StrayRead } from './layout-reads.ts'
import { isLoose, isPassable } from './mode.ts'
import { judgeRivals } from './rivals.ts'
import type { Folder, Inspection, Lineage } from './node.ts'

export interface LayoutInput {
  readonly node: string

  readonly lineage: Lineage
  readonly inspection: Inspection
  /** The files that are read of it there. */
  readonly kinds: readonly ArchiveKind[]
  /** The number under which a version is brought; undefined when none is. */
  readonly to: number | undefined
  /** What nginx reads for its names from elsewhere. */
  readonly strays: readonly StrayRead[]
  /** What a person said yes to; undefined where nobody was asked. */
  readonly adoption?: LayoutAdoption | undefined
}

/** What differs from the way in which certbot keeps a certificate, each with what mends it. */
export function judgeLayout(input: LayoutInput): Drift[] {
  return [
    ...judgeForeignLayout(input),
    ...input.lineage.folders.flatMap((folder) => judgeFolder(folder, input)),
    ...judgeOddEntries(input),
    ...judgeStrays(input),
    ...judgeLinks(input),
    ...judgeArchive(input),
    ...judgeKeyModes(input),
    ...judgeRivals(input, input.strays),
  ]
}

/** What somebody may have made so on purpose, so that it wants a yes. */
function judgeForeignLayout({
  lineage,
  kinds,
  strays,
  inspection: { root },
  adoption,
}: LayoutInput): Drift[] {
  const { certificate, folders, liveDirectory } = lineage
  const live = `live/${certificate}`
  const place = (path: string) => (path === '.' ? root : path)
  const found: { because: string; repair: string }[] = []
  const find = (because: string, repair: string) => found.push({ because, repair })

  for (const { path, mode, owner, foreign } of folders.filter(isWrong)) {
    if (foreign) find(`${place(path)} belongs to ${owner}`, 'is given to root')
    if (isLoose(mode))
      find(`${place(path)} can be written by others (mode ${mode})`, 'only its owner may write there')
  }
  const kept = adoption?.keep
    ? `archive/${certificate} as version ${adoption.keep.number}`
    : `archive/${certificate} under a free number`
  if (liveDirectory === 'link') {
    const { target = 'nowhere' } = folders.find(({ path }) => path === live) ?? {}
    find(
      `${live} is itself a link (${target})`,
      `a directory takes its place, what it leads to stays as it is, and what it holds is kept in ${kept}`,
    )
  }
  const files = liveDirectory === 'link' ? [] : realFiles(lineage, kinds).map((kind) => `${kind}.pem`)
  if (files.length === 1)
    find(`${live}/${files[0]} is a real file, not a link`, `kept in ${kept}, and a link takes its place`)
  else if (files.length > 1)
    find(
      `${files.join(', ')} in ${live} are real files, not links`,
      `kept in ${kept}, and links take their place`,
    )
  for (const { because, replacements, missed } of strays) {
    if (replacements.length === 0 || !(adoption || missed)) continue
    const links = replacements.map(({ path, kind }) => `${path} becomes a link to ${live}/${kind}.pem`)
    find(because, `${links.join(', ')}; what is there is kept beside it as .before-certs`)
  }
  if (adoption) {
    const open = openKeys(lineage).map(({ path, was }) => `${path} (${was})`)
    if (open.length > 0) find(`everybody may read ${open.join(', ')}`, 'only owner and group may')
    return found.map((one) => ({ kind: 'adopt', ...one }))
  }
  const [first, ...more] = found
  if (!first) return []
  const because =
    more.length === 0 ? first.because : `${first.because}, and ${sayCount(more.length, 'more thing')}`
  const detail = found.map((one) => `${one.because}: ${one.repair}`).join('\n')
  return [{ kind: 'blocked', because, hint: `certs rollout ${certificate} --adopt`, detail }]
}

function isWrong({ is, mode, foreign }: Folder): boolean {
  return is === 'directory' && (foreign || isLoose(mode))
}

/** What nginx reads elsewhere and stays so: a rollout would fail where nothing else is read for a name. */
function judgeStrays({
  lineage: { certificate },
  strays,
  inspection: { root },
  adoption,
}: LayoutInput): Drift[] {
  const live = `${root}/live/${certificate}`
  return strays.flatMap(({ because, replacements, hindrance, missed }): Drift[] => {
    if (hindrance !== undefined) {
      const hint = `in that server block: ssl_certificate ${live}/fullchain.pem; ssl_certificate_key ${live}/privkey.pem;`
      const why = `${because} (--adopt can not mend it: ${hindrance})`
      return [
        missed ? { kind: 'blocked', because: why, hint } : { kind: 'notice', because: `${why}; ${hint}` },
      ]
    }
    if (adoption || missed || replacements.length === 0) return []
    return [{ kind: 'notice', because: `${because}; certs rollout ${certificate} --adopt mends it` }]
  })
}

/** What is in the way, and nothing that could be adopted. */
function judgeFolder({ path, is, target }: Folder, { lineage, inspection: { root } }: LayoutInput): Drift[] {
  const whole = shellWord(path === '.' ? root : `${root}/${path}`)
  const block = (because: string, hint: string): Drift[] => [{ kind: 'blocked', because, hint }]
  // A root that is a link is as good as what it leads to.
  if (is === 'link' && path !== '.' && path !== `live/${lineage.certificate}`)
    return block(
      `${path} is itself a link (${target})`,
      `put the directory in its place that it leads to: ls -ld ${whole}`,
    )
  if (is === 'other')
    return block(`${path} is no directory`, `move it away on the node: mv ${whole} ${whole}.before`)
  return []
}

function judgeOddEntries({
  lineage: { certificate, live },
  kinds,
  inspection: { root },
}: LayoutInput): Drift[] {
  return kinds
    .filter((kind) => live[kind]?.is === 'other')
    .map((kind) => {
      const path = `live/${certificate}/${kind}.pem`
      const whole = shellWord(`${root}/${path}`)
      const hint = `move it away on the node: mv ${whole} ${whole}.before`
      return { kind: 'blocked', because: `${path} is neither a link nor a file`, hint }
    })
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
  const { certificate, archive, odd } = lineage
  if (to === undefined || archive.some(({ number }) => number > to)) return []
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
function judgeKeyModes({ lineage, adoption }: LayoutInput): Drift[] {
  const { certificate, folders } = lineage
  const open = openKeys(lineage).map(({ path }) => path)
  const way = folders.filter(({ path }) => !path.startsWith('live'))
  if (adoption || open.length === 0 || !way.every(({ mode }) => isPassable(mode))) return []
  const because = `every user there may read ${open.join(', ')}; certs rollout ${certificate} --adopt closes that`
  return [{ kind: 'notice', because }]
}
