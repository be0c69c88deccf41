import { archiveKinds, fileKinds, readLeaf } from './certificate.ts'
import type { ArchiveKind, Leaf } from './certificate.ts'
import { sayValidity } from './duration.ts'
import type { StrayRead } from './layout-reads.ts'
import type { LayoutAdoption } from './layout-adoption.ts'
import { judgeLayout } from './layout.ts'
import type { Inspection, Lineage, Served, ServiceState } from './node.ts'
import { judgeServed } from './served.ts'
import { wantsCombined } from './serving.ts'
import type { VersionFacts } from './version.ts'

/** One difference between what a node should be and what it is. */
export type Drift =
  /** An endpoint serves something else, or nothing. */
  | { readonly kind: 'served'; readonly because: string }
  /** Files under live or archive differ. */
  | { readonly kind: 'files'; readonly because: string }
  /** Something a person must mend before this node can be changed. */
  | { readonly kind: 'blocked'; readonly because: string; readonly hint: string; readonly detail?: string }
  /** Part of a layout that bringing a version puts right by the way. */
  | { readonly kind: 'mend'; readonly because: string; readonly repair: string }
  /** Part of a layout that is put right with a person's yes, which has been given. */
  | { readonly kind: 'adopt'; readonly because: string; readonly repair: string }
  /** Nothing to do for us, but worth saying. */
  | { readonly kind: 'notice'; readonly because: string }

export interface DriftInput {
  readonly node: string
  readonly certificate: string
  /** Names of the services that read it; undefined: all of the node's. */
  readonly services?: readonly string[] | undefined
  /** What the node should hold; undefined while it is still to be issued. */
  readonly wanted: VersionFacts | undefined
  /** The number under which a version is brought; undefined when none is. */
  readonly to?: number | undefined
  /** What nginx reads for its names from elsewhere. */
  readonly strays?: readonly StrayRead[] | undefined
  /** What a person said yes to. */
  readonly adoption?: LayoutAdoption | undefined
  readonly inspection: Inspection
  readonly served: readonly Served[]
  readonly now: Date
}

export function findDrift(input: DriftInput): Drift[] {
  const lineage = input.inspection.lineages[input.certificate]
  const files = lineage ? fileDrift(lineage, input) : `live/${input.certificate} is missing`
  return [
    ...servedDrift(input),
    ...(files ? [{ kind: 'files' as const, because: files }] : []),
    ...blockers(input, files !== undefined),
    ...(lineage
      ? judgeLayout({ ...input, lineage, to: input.to, kinds: kindsFor(input), strays: input.strays ?? [] })
      : []),
    ...notices(input),
  ]
}

/** `live points to version 2`, or undefined when disk is as wanted. */
function fileDrift(lineage: Lineage, input: DriftInput): string | undefined {
  const { certificate, wanted } = input
  if (lineage.liveDirectory === 'missing') return `live/${certificate} is missing`
  if (lineage.pair === 'differs') return `key and fullchain in live/${certificate} do not belong together`
  for (const kind of kindsFor(input)) {
    const entry = lineage.live[kind] ?? missing
    const path = `live/${certificate}/${kind}.pem`
    if (entry.is === 'missing') return `${path} is missing`
    if (entry.is === 'other') return `${path} is neither a link nor a file`
    if (entry.is === 'link' && entry.sha256 === undefined)
      return `${path} points to nothing (${entry.target})`
    if (entry.is !== 'link' || !wanted) continue
    if (entry.number !== wanted.number) {
      if (entry.number === undefined) return `${path} points to ${entry.target}`
      return `${kind === 'combined' ? path : 'live'} points to version ${entry.number}`
    }
    if (differs(entry.sha256, wanted.files[kind])) return `archive holds another version ${wanted.number}`
    if (entry.target !== `../../archive/${certificate}/${kind}${wanted.number}.pem`) {
      return `${path} is not a relative link (${entry.target})`
    }
  }
  return undefined
}

/** Of a sealed key the sum may not be known; that it belongs to the fullchain is seen without it. */
function differs(found: string | undefined, wanted: string | undefined): boolean {
  return wanted !== undefined && found !== wanted
}

const missing = { is: 'missing' } as const

/** The files that are read of this certificate on this node. */
export function kindsFor(input: Pick<DriftInput, 'services' | 'inspection'>): readonly ArchiveKind[] {
  return wantsCombined(usedServices(input)) ? archiveKinds : fileKinds
}

function usedServices({
  services,
  inspection,
}: Pick<DriftInput, 'services' | 'inspection'>): Inspection['services'] {
  const all = Object.entries(inspection.services)
  return Object.fromEntries(all.filter(([name]) => services?.includes(name) ?? true))
}

/** One drift for each different thing that is served, naming what it is. */
function servedDrift({ wanted, served, inspection, certificate, now }: DriftInput): Drift[] {
  const reasons = served.flatMap((answer) => {
    if (!wanted) return saying(answer, inspection.lineages[certificate], now)
    const judged = judgeServed(answer, {
      leafFingerprint: wanted.leaf.fingerprint,
      chainFingerprints: wanted.chain,
    })
    if (!judged) return []
    return answer.leaf ? saying(answer, inspection.lineages[certificate], now, judged) : [judged]
  })
  return [...new Set(reasons)].map((because) => ({ kind: 'served', because }))
}

function saying(answer: Served, lineage: Lineage | undefined, now: Date, judged?: string): string[] {
  if (!answer.leaf) return [`no certificate is served: ${answer.error ?? 'none was sent'}`]
  const entry = lineage?.live.fullchain
  const number = entry?.is === 'link' && isLeafOf(lineage, answer) ? entry.number : undefined
  const what = number === undefined ? `a certificate by ${answer.leaf.issuer}` : `version ${number}`
  const validity = sayValidity(answer.leaf.notAfter, now)
  // The wanted leaf itself can be served with the wrong chain: then only the judgement says what is wrong.
  return judged?.includes('chain') ? [judged] : [`it serves ${what}, ${validity}`]
}

function isLeafOf(lineage: Lineage | undefined, answer: Served): boolean {
  return lineage !== undefined && leafOf(lineage)?.fingerprint === answer.leaf?.fingerprint
}

/** The leaf that live leads to; undefined when there is none or its PEM can't be read. */
export function leafOf(lineage: Lineage): Leaf | undefined {
  try {
    return lineage.leaf === undefined ? undefined : readLeaf(lineage.leaf)
  } catch {
    return undefined
  }
}

function blockers(input: DriftInput, mendable: boolean): Drift[] {
  const { certificate, inspection } = input
  const used = Object.entries(usedServices(input))
  const found: Drift[] = used.flatMap(([name, state]) => blockedBy(name, state, { certificate, mendable }))
  const block = (because: string, hint: string) => found.push({ kind: 'blocked', because, hint })
  const { disk } = inspection

  if (!disk.writable)
    block(
      'its certificate folder is not writable',
      'remount it read-write, or free the path; nothing was changed',
    )
  if (disk.freeBytes < 1_000_000) block('its disk is full', 'free at least 1 MB beside the archive folder')
  else if (disk.freeInodes === 0)
    block('its file system has no free inodes', 'remove files beside the archive folder')

  return found
}

/** Why a service can't be made to read anything new. */
function blockedBy(
  name: string,
  { unit, installed, running, test }: ServiceState,
  { certificate, mendable }: { readonly certificate: string; readonly mendable: boolean },
): Drift[] {
  const block = (because: string, hint: string, detail?: string): Drift[] => [
    { kind: 'blocked', because, hint, ...(detail ? { detail } : {}) },
  ]
  // Its own files are missing or mixed up: bringing them is what mends it.
  const ours = mendable && !test.ok && test.output.includes(`/live/${certificate}/`)

  if (!installed) {
    const what = name === 'nginx' ? 'the node out of the configuration' : "it out of the node's services"
    return block(`${name} is not installed`, `install ${name} on the node, or take ${what}`)
  }
  if (!running && ours) {
    const what =
      name === 'nginx' ? 'the server block that names them' : 'what names them in its configuration'
    return block(
      `${name} is not running, for want of these files`,
      `take ${what} out, start ${name}, put it back, and run again: certs never starts ${name}`,
      test.output,
    )
  }
  if (!test.ok && !ours) {
    return block(
      `${test.command} already fails, before any change of ours`,
      `mend the ${name} configuration on the node first`,
      test.output,
    )
  }
  return running ? [] : block(`${name} is not running`, `start it on the node: systemctl start ${unit}`)
}

function notices({ inspection: { program } }: DriftInput): Drift[] {
  if (program !== 'outdated') return []
  return [
    {
      kind: 'notice',
      because: 'the program installed here is of another version of certs: certs nodes setup, again',
    },
  ]
}
