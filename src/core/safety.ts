import type { Certificate, Leaf } from './certificate.ts'
import { sayCount } from './count.ts'
import { sayDuration } from './duration.ts'
import { errorFacts, UnsafePlanError } from './errors.ts'
import { isChange, keepWaiting } from './plan.ts'
import type { Observed } from './observed.ts'
import type { CertificatePlan, NodePlan, Plan } from './plan.ts'
import { isStaging, trustedLeaves } from './staging.ts'

export interface SafetyInput {
  readonly certificates: readonly Certificate[]
  readonly observed: Observed
  /** How many nodes one run may change; undefined: any number. */
  readonly maxNodes?: number | undefined
}

/**
 * Finds what only a person may decide: one UnsafePlanError that lists everything, or undefined.
 * Nodes that would be hurt each by itself (a live file that is no link) are blocked in the plan instead, and a key that
 * was reported compromised is refused there for ever.
 */
export function checkSafety(plan: Plan, input: SafetyInput): UnsafePlanError | undefined {
  const found = [
    ...tooManyNodes(plan.certificates.flatMap(nodesChanged), input),
    ...plan.certificates.flatMap((certificate) => judge(certificate, input)),
  ]
  return refuse(found)
}

/**
 * The plan with each unsafe certificate refused by itself: where nobody can be asked, one of them stops no other. Of
 * more nodes than may be changed, those of the first certificates are.
 */
export function refuseUnsafe(plan: Plan, input: SafetyInput): Plan {
  let changed: readonly string[] = []
  const certificates = plan.certificates.map((one): CertificatePlan => {
    const together = [...changed, ...nodesChanged(one)]
    const unsafe = refuse([
      ...tooManyNodes(together, input).map((line) => `with ${one.certificate}, ${line}`),
      ...judge(one, input),
    ])
    if (!unsafe) {
      changed = together
      return one
    }
    const hints = [`when this is what you want: certs rollout ${one.certificate} --force`]
    const errors = [{ ...errorFacts(unsafe), hints }]
    const issuance = { kind: 'refuse' as const, because: one.issuance.because, errors }
    return { ...one, issuance, nodes: one.nodes.map(keepWaiting), waves: [] }
  })
  return { ...plan, certificates }
}

function refuse(found: readonly string[]): UnsafePlanError | undefined {
  if (found.length === 0) return undefined
  return new UnsafePlanError(`the plan was refused: ${found.join('; ')}`, {
    hint: 'nothing was changed; when this is what you want, run it again with --force',
  })
}

function judge(plan: CertificatePlan, input: SafetyInput): string[] {
  if (plan.issuance.kind !== 'issue' && !plan.nodes.some(isChange)) return []
  return [...lostNames(plan, input), ...stagingOverTrusted(plan, input), ...expiredTarget(plan, input)]
}

function nodesChanged({ waves }: CertificatePlan): readonly string[] {
  return waves.flat()
}

function tooManyNodes(nodes: readonly string[], { maxNodes }: SafetyInput): string[] {
  const { size } = new Set(nodes)
  if (maxNodes === undefined || size <= maxNodes) return []
  return [`${sayCount(size, 'node')} would be changed by one run, and rollout.maxNodes is ${maxNodes}`]
}

/** Names that users are served now and would not be any more, node by node. */
function lostNames(plan: CertificatePlan, input: SafetyInput): string[] {
  const alive = plan.nodes.filter(isChange).map((step) => {
    const names = new Set(aliveOn(step, input).flatMap((leaf) => leaf.names))
    const coming = namesComing(plan, step, input)
    return { names, lost: [...names].filter((name) => coming && !isCovered(name, coming)) }
  })
  const lost = [...new Set(alive.flatMap((node) => node.lost))]
  if (lost.length === 0) return []
  const all = new Set(alive.flatMap(({ names }) => [...names]))
  const nodes = alive.filter((node) => node.lost.length > 0).length
  const names =
    lost.length > 10 ? `${lost.slice(0, 10).join(', ')} and ${lost.length - 10} more` : lost.join(', ')
  const of = `${lost.length} of ${sayCount(all.size, 'name')} served now`
  return [`${plan.certificate} would lose ${of} on ${sayCount(nodes, 'node')}: ${names}`]
}

/** Undefined where it is not known. */
function namesComing(
  plan: CertificatePlan,
  step: NodePlan,
  input: SafetyInput,
): readonly string[] | undefined {
  if (plan.issuance.kind === 'issue')
    return input.certificates.find(({ name }) => name === plan.certificate)?.names ?? []
  return leafComing(plan, step, input)?.names
}

/** The stored leaf that the step brings; undefined for one that is to be issued or is not stored here. */
function leafComing({ certificate, issuance }: CertificatePlan, step: NodePlan, input: SafetyInput) {
  const number = issuance.kind === 'keep' ? issuance.from : step.to
  const versions = input.observed.certificates[certificate]?.versions ?? []
  return versions.find((version) => version.number === number)?.leaf
}

function aliveOn({ served }: NodePlan, { observed }: SafetyInput): readonly Leaf[] {
  return served.filter(({ notAfter }) => Date.parse(notAfter) > observed.now.getTime())
}

function isCovered(name: string, names: readonly string[]): boolean {
  return names.includes(name) || names.includes(name.replace(/^[^.]+/, '*'))
}

function stagingOverTrusted(plan: CertificatePlan, input: SafetyInput): string[] {
  const { issuance } = plan
  const trusted = plan.nodes.filter(isChange).flatMap((step) => {
    const coming = issuance.kind === 'issue' ? issuance.ca.directory : leafComing(plan, step, input)?.issuer
    if (coming === undefined || !isStaging(coming)) return []
    const issuers = trustedLeaves(step.served, input.observed.now).map(({ issuer }) => issuer)
    return issuers.length === 0 ? [] : [issuers]
  })
  if (trusted.length === 0) return []
  const issuers = [...new Set(trusted.flat())].join(', ')
  const where = sayCount(trusted.length, 'node')
  return [
    `${plan.certificate} is served with a certificate by ${issuers}, and one of a staging CA would replace it on ${where}`,
  ]
}

function expiredTarget(plan: CertificatePlan, { observed }: SafetyInput): string[] {
  const { issuance } = plan
  if (issuance.kind === 'issue' || issuance.kind === 'refuse') return []
  const numbers = issuance.kind === 'keep' ? [issuance.from] : plan.nodes.flatMap(({ to }) => to ?? [])
  return [...new Set(numbers)].flatMap((number) => {
    const leaf = observed.certificates[plan.certificate]?.versions.find(
      (version) => version.number === number,
    )?.leaf
    if (!leaf)
      return [`version ${number} of ${plan.certificate} is not stored here, so its expiry is not known`]
    const left = Date.parse(leaf.notAfter) - observed.now.getTime()
    return left > 0 ? [] : [`version ${number} of ${plan.certificate} expired ${sayDuration(left)} ago`]
  })
}
