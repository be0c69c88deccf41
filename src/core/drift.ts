import { fileKinds, readLeaf } from './certificate.ts'
import type { Leaf } from './certificate.ts'
import { sayValidity } from './duration.ts'
import type { Inspection, Lineage, Served } from './node.ts'
import { judgeServed } from './served.ts'
import type { VersionFacts } from './version.ts'

/** One difference between what a node should be and what it is. */
export type Drift =
  /** An endpoint serves something else, or nothing. */
  | { readonly kind: 'served'; readonly because: string }
  /** Files under live or archive differ. */
  | { readonly kind: 'files'; readonly because: string }
  /** Something a person must mend before this node can be changed. */
  | { readonly kind: 'blocked'; readonly because: string; readonly hint: string; readonly detail?: string }
  /** Nothing to do for us, but worth saying. */
  | { readonly kind: 'notice'; readonly because: string }

export interface DriftInput {
  readonly certificate: string
  /** What the node should hold; undefined while it is still to be issued. */
  readonly wanted: VersionFacts | undefined
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
    ...blockers(input, lineage, files !== undefined),
    ...notices(input, lineage),
  ]
}

/** `live points to version 2`, or undefined when disk is as wanted. */
function fileDrift(lineage: Lineage, { certificate, wanted }: DriftInput): string | undefined {
  if (lineage.liveDirectory === 'missing') return `live/${certificate} is missing`
  if (lineage.pair === 'differs') return `key and fullchain in live/${certificate} do not belong together`
  for (const kind of fileKinds) {
    const entry = lineage.live[kind]
    const path = `live/${certificate}/${kind}.pem`
    if (entry.is === 'missing') return `${path} is missing`
    if (entry.is === 'other') return `${path} is neither a link nor a file`
    if (entry.is === 'link' && entry.sha256 === undefined)
      return `${path} points to nothing (${entry.target})`
    if (entry.is !== 'link' || !wanted) continue
    if (entry.number !== wanted.number) {
      return entry.number === undefined
        ? `${path} points to ${entry.target}`
        : `live points to version ${entry.number}`
    }
    if (entry.sha256 !== wanted.files[kind]) return `archive holds another version ${wanted.number}`
    if (entry.target !== `../../archive/${certificate}/${kind}${wanted.number}.pem`) {
      return `${path} is not a relative link (${entry.target})`
    }
  }
  return undefined
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

function blockers(
  { certificate, inspection }: DriftInput,
  lineage: Lineage | undefined,
  mendable: boolean,
): Drift[] {
  const found: Drift[] = []
  const block = (because: string, hint: string, detail?: string) =>
    found.push({ kind: 'blocked', because, hint, ...(detail ? { detail } : {}) })
  const { nginx, disk } = inspection
  // Its own files are missing or mixed up: bringing them is what mends it.
  const ours = mendable && !nginx.test.ok && nginx.test.output.includes(`/live/${certificate}/`)

  if (!nginx.installed)
    block('nginx is not installed', 'install nginx on the node, or take the node out of the configuration')
  else if (!nginx.running && ours)
    block(
      'nginx is not running, for want of these files',
      'take the server block that names them out, start nginx, put it back, and run again: certs never starts nginx',
      nginx.test.output,
    )
  else if (!nginx.test.ok && !ours)
    block(
      'nginx -t already fails, before any change of ours',
      'mend the nginx configuration on the node first',
      nginx.test.output,
    )
  else if (!nginx.running) block('nginx is not running', 'start it on the node: systemctl start nginx')
  if (!disk.writable)
    block(
      'its certificate folder is not writable',
      'remount it read-write, or free the path; nothing was changed',
    )
  if (disk.freeBytes < 1_000_000) block('its disk is full', 'free at least 1 MB beside the archive folder')
  else if (disk.freeInodes === 0)
    block('its file system has no free inodes', 'remove files beside the archive folder')

  const files = fileKinds.filter((kind) => lineage?.live[kind].is === 'file')
  if (files.length > 0) {
    const paths = files.map((kind) => `live/${certificate}/${kind}.pem`).join(', ')
    block(
      `${paths} is a real file, not a link`,
      `move it on the node into archive/${certificate}/ under the next free number and link to it`,
    )
  }
  if (lineage?.liveDirectory === 'link')
    block(`live/${certificate} is itself a link`, 'replace it on the node by the directory it leads to')
  return found
}

function notices({ certificate, inspection }: DriftInput, lineage: Lineage | undefined): Drift[] {
  const { certbot, program } = inspection
  const found: string[] = []
  if ((certbot.timer || certbot.cron) && lineage?.renewalFile) {
    const by = certbot.timer ? 'certbot.timer' : 'a cron entry'
    found.push(`certbot is active here for ${certificate} (${by}) and may issue and switch links by itself`)
  }
  if (program === 'outdated')
    found.push('the program installed here is of another version of certs: certs nodes setup, again')
  return found.map((because) => ({ kind: 'notice', because }))
}
