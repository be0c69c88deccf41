import type { Certificate, KeyType, Leaf } from './certificate.ts'
import { findDrift } from './drift.ts'
import type { Drift } from './drift.ts'
import type { ErrorFacts } from './errors.ts'
import type { Inspection, Lineage, Served } from './node.ts'
import { judgeRenewal } from './renewal.ts'
import type { VersionFacts } from './version.ts'
import { cutWaves } from './waves.ts'
import type { RolloutSettings } from './waves.ts'

/** What one node showed: looked into over SSH and at over TLS. */
export interface NodeObservation {
  readonly inspection?: Inspection
  /** Why it could not be inspected. */
  readonly error?: ErrorFacts
  /** Handshakes by certificate name. */
  readonly served: Readonly<Record<string, readonly Served[]>>
}

/** Where an identifier's TXT record goes, or why nowhere. */
export type ChallengeObservation =
  | { readonly identifier: string; readonly name: string; readonly zone: string; readonly provider: string }
  | { readonly identifier: string; readonly error: ErrorFacts }

export interface CertificateObservation {
  /** Complete stored versions, ascending. */
  readonly versions: readonly VersionFacts[]
  /** The highest number the store has in use, half-written versions included. */
  readonly highest: number
  /** The order that an earlier run left unfinished, and the number its version was to have. */
  readonly underway?: { readonly number: number; readonly url?: string }
  readonly challenges: readonly ChallengeObservation[]
}

export interface Observed {
  readonly now: Date
  readonly nodes: Readonly<Record<string, NodeObservation>>
  readonly certificates: Readonly<Record<string, CertificateObservation>>
}

export type Issuance =
  /** The stored version `from` is good; it is rolled out under `number`, which differs when nodes use `from` for other bytes. */
  | {
      readonly kind: 'keep'
      readonly from: number
      readonly number: number
      readonly notAfter: string
      readonly because: string
    }
  | {
      readonly kind: 'issue'
      readonly number: number
      readonly because: string
      readonly names: readonly string[]
      readonly key: KeyType
      /** An order that an earlier run began is taken up again. */
      readonly resumes: boolean
      readonly challenges: readonly ChallengeObservation[]
    }
  /** Each node goes back to a version it holds. */
  | { readonly kind: 'roll-back'; readonly because: string }
  /** A new version is due and can't be had; nothing is done. */
  | { readonly kind: 'refuse'; readonly because: string; readonly errors: readonly ErrorFacts[] }

export type NodeAction = 'none' | 'install' | 'reload' | 'roll-back' | 'unreachable' | 'blocked'

export interface NodePlan {
  readonly node: string
  readonly action: NodeAction
  /** The version that live points to now. */
  readonly from?: number
  /** The version that is in place afterwards. */
  readonly to?: number
  readonly because: string
  readonly drift: readonly Drift[]
  /** The leaves that it serves now. */
  readonly served: readonly Leaf[]
  readonly error?: ErrorFacts
}

export interface CertificatePlan {
  readonly certificate: string
  readonly issuance: Issuance
  /** In the order of the rollout: nodes that can be changed first. */
  readonly nodes: readonly NodePlan[]
  /** Names of the nodes to change, cut into canary and waves. */
  readonly waves: readonly (readonly string[])[]
}

/** What a run would do, as plain data: printed, saved, compared, executed. */
export interface Plan {
  readonly format: 1
  readonly at: string
  readonly certificates: readonly CertificatePlan[]
}

export interface PlanRequest {
  readonly certificates: readonly Certificate[]
  readonly rollout: RolloutSettings
  /** Issue even though nothing is due. */
  readonly forceRenew: boolean
  /** Roll out this stored version instead of the newest. */
  readonly toVersion?: number | undefined
  /** Only these of a certificate's nodes. */
  readonly only?: readonly string[] | undefined
}

export function makePlan(request: PlanRequest, observed: Observed): Plan {
  const certificates = request.certificates.map((certificate) =>
    planCertificate(certificate, request, observed),
  )
  return { format: 1, at: observed.now.toISOString(), certificates }
}

function planCertificate(
  certificate: Certificate,
  request: PlanRequest,
  observed: Observed,
): CertificatePlan {
  const facts = observed.certificates[certificate.name]!
  const names = certificate.nodes.filter((node) => request.only?.includes(node) ?? true)
  const lineages = names.flatMap((node) => observed.nodes[node]?.inspection?.lineages[certificate.name] ?? [])
  const base = planIssuance(certificate, request, { facts, lineages, now: observed.now })

  const wanted = base.kind === 'keep' ? renumber(facts, base) : undefined
  const unordered = names.map((node) => planNode(node, { certificate, observed, wanted, to: targetOf(base) }))
  const nodes = inRolloutOrder(unordered)
  const noneTakes =
    nodes.length > 0 && nodes.every(({ action }) => action === 'unreachable' || action === 'blocked')
  const issuance = base.kind === 'issue' && noneTakes ? refuseForNodes(base, nodes) : base
  const changed = nodes.filter(isChange).map(({ node }) => node)
  return {
    certificate: certificate.name,
    issuance,
    nodes,
    waves: issuance.kind === 'refuse' ? [] : cutWaves(changed, request.rollout),
  }
}

interface IssuanceInput {
  readonly facts: CertificateObservation
  readonly lineages: readonly Lineage[]
  readonly now: Date
}

function planIssuance(certificate: Certificate, request: PlanRequest, input: IssuanceInput): Issuance {
  const { facts, now } = input
  if (request.toVersion !== undefined)
    return keepVersion(request.toVersion, 'this version was asked for', input)

  const newest = facts.versions.at(-1)
  const renewal = judgeRenewal({
    certificate,
    stored: newest?.leaf,
    now,
    forced: request.forceRenew,
    underway: facts.underway !== undefined,
  })
  if (!renewal.due && newest) return keepVersion(newest.number, renewal.because, input)

  const errors = facts.challenges.flatMap((challenge) => ('error' in challenge ? challenge.error : []))
  if (errors.length > 0) return { kind: 'refuse', because: renewal.because, errors }
  return {
    kind: 'issue',
    number: nextNumber(input),
    because: renewal.because,
    names: certificate.names,
    key: certificate.key,
    resumes: facts.underway !== undefined,
    challenges: facts.challenges,
  }
}

/** One above everything in use; a half-written version of an order under way keeps the number it was begun with. */
function nextNumber({ facts, lineages }: IssuanceInput): number {
  const onNodes = Math.max(0, ...lineages.map(highestNumber))
  const begun = facts.underway?.number ?? 0
  return begun > onNodes && begun >= facts.highest ? begun : Math.max(onNodes, facts.highest) + 1
}

/**
 * Keeps the stored version, under a number above everything on the nodes when they use it for other bytes
 * or hold higher ones: certbot moves links to the highest complete number (certbot #10655).
 */
function keepVersion(from: number, because: string, { facts, lineages }: IssuanceInput): Issuance {
  const version = facts.versions.find(({ number }) => number === from)
  if (!version) {
    const known = facts.versions.map(({ number }) => number).join(', ') || 'none'
    const error = { message: `version ${from} is not stored here`, hints: [`stored versions: ${known}`] }
    return { kind: 'refuse', because, errors: [error] }
  }
  const taken = lineages.some((lineage) => highestNumber(lineage) > from || holdsOther(lineage, version))
  const highest = Math.max(facts.highest, ...lineages.map(highestNumber))
  return {
    kind: 'keep',
    from,
    number: taken ? highest + 1 : from,
    notAfter: version.leaf.notAfter,
    because: taken ? `${because}; number ${from} is behind what nodes hold` : because,
  }
}

function renumber(
  facts: CertificateObservation,
  { from, number }: { from: number; number: number },
): VersionFacts {
  return { ...facts.versions.find((version) => version.number === from)!, number }
}

function highestNumber(lineage: Lineage): number {
  return Math.max(0, ...lineage.archive.map(({ number }) => number))
}

function holdsOther(lineage: Lineage, version: VersionFacts): boolean {
  return lineage.archive.some(
    (file) => file.number === version.number && file.sha256 !== version.files[file.kind],
  )
}

function targetOf(issuance: Issuance): number | undefined {
  return issuance.kind === 'keep' || issuance.kind === 'issue' ? issuance.number : undefined
}

interface NodeInput {
  readonly certificate: Certificate
  readonly observed: Observed
  readonly wanted: VersionFacts | undefined
  /** Undefined when no version can be had. */
  readonly to: number | undefined
}

function planNode(node: string, { certificate, observed, wanted, to }: NodeInput): NodePlan {
  const seen = observed.nodes[node]
  const answers = seen?.served[certificate.name] ?? []
  const served = answers.flatMap(({ leaf }) => leaf ?? [])
  if (!seen?.inspection) return planUnreachable(node, served, seen?.error)
  const drift = findDrift({
    certificate: certificate.name,
    wanted,
    inspection: seen.inspection,
    served: answers,
    now: observed.now,
  })
  const entry = seen.inspection.lineages[certificate.name]?.live.privkey
  const from = entry?.is === 'link' ? entry.number : undefined
  const numbers = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
  return { node, ...numbers, drift, served, ...decideAction(drift, { issuing: !wanted && to !== undefined }) }
}

export function planUnreachable(
  node: string,
  served: readonly Leaf[],
  seen: ErrorFacts | undefined,
): NodePlan {
  const error = seen ?? { message: `${node}: was not inspected`, hints: [] }
  const because = error.message.replace(`${node}: `, '')
  return { node, action: 'unreachable', because, drift: [], served, error }
}

function decideAction(
  drift: readonly Drift[],
  { issuing }: { issuing: boolean },
): Pick<NodePlan, 'action' | 'because'> {
  const blocked = drift.find((one) => one.kind === 'blocked')
  const files = drift.find((one) => one.kind === 'files')
  const served = drift.find((one) => one.kind === 'served')
  const needed = issuing || files || served
  if (blocked && needed) return { action: 'blocked', because: blocked.because }
  if (issuing)
    return { action: 'install', because: served?.because ?? files?.because ?? 'a new version is issued' }
  if (files) return { action: 'install', because: served?.because ?? files.because }
  if (served) return { action: 'reload', because: served.because }
  return { action: 'none', because: 'it serves it, and its files are right' }
}

function refuseForNodes(issuance: Issuance, nodes: readonly NodePlan[]): Issuance {
  const errors = nodes.flatMap(({ error }) => error ?? [])
  return { kind: 'refuse', because: `${issuance.because}, but no node can take a new version`, errors }
}

/** Nodes that can be changed come first, so that one that can't be reached holds up no other. */
function inRolloutOrder(nodes: readonly NodePlan[]): NodePlan[] {
  const late = (plan: NodePlan) => (plan.action === 'unreachable' || plan.action === 'blocked' ? 1 : 0)
  return nodes.toSorted((a, b) => late(a) - late(b))
}

export function isChange({ action }: NodePlan): boolean {
  return action === 'install' || action === 'reload' || action === 'roll-back'
}

/** Whether applying the plan would change anything anywhere. */
export function hasChanges(plan: Plan): boolean {
  return plan.certificates.some(({ issuance, nodes }) => issuance.kind === 'issue' || nodes.some(isChange))
}

/** Whether something is not right that applying the plan can't mend. */
export function hasProblems(plan: Plan): boolean {
  return plan.certificates.some(
    ({ issuance, nodes }) =>
      issuance.kind === 'refuse' ||
      nodes.some(({ action }) => action === 'unreachable' || action === 'blocked'),
  )
}
