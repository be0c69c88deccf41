import type { Certificate } from './certificate.ts'
import type { CaState, CertificateObservation, Observed } from './observed.ts'
import { planIssuance } from './plan-issuance.ts'
import { planNode } from './plan-node.ts'
import { isChange } from './plan.ts'
import type { CertificatePlan, Issuance, Issuing, NodePlan, Plan } from './plan.ts'
import { isStaging, trustedLeaves } from './staging.ts'
import type { VersionFacts } from './version.ts'
import { cutWaves } from './waves.ts'
import type { RolloutSettings } from './waves.ts'

export interface PlanRequest {
  readonly certificates: readonly Certificate[]
  readonly rollout: RolloutSettings
  /** Issue even though nothing is due. */
  readonly forceRenew: boolean
  /** A person named these certificates: neither our pauses after failures nor a hold keeps them back. */
  readonly insistent?: boolean | undefined
  /** A person said yes to putting right what lies otherwise than certbot leaves it. */
  readonly adopt?: boolean | undefined
  /** Roll out this stored version instead of the newest. */
  readonly toVersion?: number | undefined
  /** Only these of a certificate's nodes. */
  readonly only?: readonly string[] | undefined
}

/** Compares what should be with what is; pure, so that the same sight gives the same plan. */
export function makePlan(request: PlanRequest, observed: Observed): Plan {
  let { cas } = observed
  const certificates = request.certificates.map((certificate) => {
    const plan = planCertificate(certificate, request, { ...observed, cas })
    cas = spend(cas, plan, observed)
    return plan
  })
  return { format: 1, at: observed.now.toISOString(), certificates }
}

function planCertificate(
  certificate: Certificate,
  request: PlanRequest,
  observed: Observed,
): CertificatePlan {
  const { forceRenew, toVersion, adopt } = request
  const facts = observed.certificates[certificate.name]!
  const names = certificate.nodes.filter((node) => request.only?.includes(node) ?? true)
  const lineages = names.flatMap((node) => observed.nodes[node]?.inspection?.lineages[certificate.name] ?? [])
  const { now, cas } = observed
  const { insistent } = request
  const base = planIssuance(certificate, {
    facts,
    lineages,
    now,
    forceRenew,
    insistent,
    toVersion,
    cas,
    adopt,
  })

  const wanted = base.kind === 'keep' ? renumber(facts, base) : undefined
  const hold = insistent || toVersion !== undefined ? undefined : facts.hold
  const unordered = names.map((node) =>
    planNode(node, { certificate, observed, wanted, to: targetOf(base), hold, adopt }),
  )
  const nodes = inRolloutOrder(unordered)
  const noneTakes =
    nodes.length > 0 && nodes.every(({ action }) => action === 'unreachable' || action === 'blocked')
  const issuance =
    base.kind !== 'issue' ? base : noneTakes ? refuseForNodes(base, nodes) : withoutStaging(base, nodes, now)
  const changed = nodes.filter(isChange).map(({ node }) => node)
  return {
    certificate: certificate.name,
    issuance,
    nodes,
    waves: issuance.kind === 'refuse' ? [] : cutWaves(changed, request.rollout),
  }
}

/** What an order that is planned will have counted by the time the next one is sent; nothing where it counts nowhere. */
function spend(
  cas: readonly CaState[],
  { certificate, issuance }: CertificatePlan,
  observed: Observed,
): readonly CaState[] {
  if (issuance.kind !== 'issue' || issuance.resumes || !issuance.usages) return cas
  const { names, ca } = issuance
  const domains = observed.certificates[certificate]?.domains ?? []
  const order = { at: observed.now.toISOString(), certificate, names, domains, outcome: 'issued' as const }
  return cas.map((one) => {
    if (one.directory !== ca.directory || !one.budget) return one
    return { ...one, budget: { ...one.budget, spent: [...one.budget.spent, order] } }
  })
}

/** Where the CA that is used fails, a staging CA is no way out for nodes that serve a trusted certificate. */
function withoutStaging(issuance: Issuing, nodes: readonly NodePlan[], now: Date): Issuing {
  const trusted = trustedLeaves(
    nodes.flatMap(({ served }) => served),
    now,
  )
  if (trusted.length === 0 || isStaging(issuance.ca.directory)) return issuance
  return { ...issuance, next: issuance.next.filter(({ directory }) => !isStaging(directory)) }
}

function targetOf(issuance: Issuance): number | undefined {
  return issuance.kind === 'keep' || issuance.kind === 'issue' ? issuance.number : undefined
}

function renumber(
  facts: CertificateObservation,
  { from, number }: { from: number; number: number },
): VersionFacts {
  return { ...facts.versions.find((version) => version.number === from)!, number }
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
