import type { Certificate, Leaf } from './certificate.ts'
import { sayDuration } from './duration.ts'
import { errorFacts, UnsafePlanError } from './errors.ts'
import { isChange } from './plan.ts'
import type { Observed } from './observed.ts'
import type { CertificatePlan, Plan } from './plan.ts'

export interface SafetyInput {
  readonly certificates: readonly Certificate[]
  readonly observed: Observed
  /** URL of the CA's directory. */
  readonly directory: string
}

/**
 * Finds what only a person may decide: one UnsafePlanError that lists everything, or undefined.
 * Nodes that would be hurt each by itself (a live file that is no link) are blocked in the plan instead.
 */
export function checkSafety(plan: Plan, input: SafetyInput): UnsafePlanError | undefined {
  const found = plan.certificates
    .filter(({ issuance, nodes }) => issuance.kind === 'issue' || nodes.some(isChange))
    .flatMap((certificate) => [
      ...lostNames(certificate, input),
      ...stagingOverTrusted(certificate, input),
      ...expiredTarget(certificate, input),
    ])
  if (found.length === 0) return undefined
  return new UnsafePlanError(`the plan was refused: ${found.join('; ')}`, {
    hint: 'nothing was changed; when this is what you want, run it again with --force',
  })
}

/**
 * The plan with each unsafe certificate refused by itself: where nobody can be asked, one of them stops no other.
 */
export function refuseUnsafe(plan: Plan, input: SafetyInput): Plan {
  const certificates = plan.certificates.map((one): CertificatePlan => {
    const unsafe = checkSafety({ ...plan, certificates: [one] }, input)
    if (!unsafe) return one
    const hints = [`when this is what you want: certs rollout ${one.certificate} --force`]
    const errors = [{ ...errorFacts(unsafe), hints }]
    return { ...one, issuance: { kind: 'refuse', because: one.issuance.because, errors }, waves: [] }
  })
  return { ...plan, certificates }
}

function lostNames(plan: CertificatePlan, { certificates, observed }: SafetyInput): string[] {
  const { issuance } = plan
  const configured = certificates.find(({ name }) => name === plan.certificate)?.names ?? []
  const stored = observed.certificates[plan.certificate]?.versions ?? []
  const coming =
    issuance.kind === 'keep' ? stored.find(({ number }) => number === issuance.from)?.leaf.names : configured
  const alive = servedBy(plan).filter(({ notAfter }) => Date.parse(notAfter) > observed.now.getTime())
  const lost = new Set(alive.flatMap(({ names }) => names).filter((name) => !isCovered(name, coming ?? [])))
  if (lost.size === 0) return []
  return [`${plan.certificate} would lose ${lost.size} of the names served now: ${[...lost].join(', ')}`]
}

function servedBy({ nodes }: CertificatePlan): readonly Leaf[] {
  return nodes.flatMap(({ served }) => served)
}

function isCovered(name: string, names: readonly string[]): boolean {
  return names.includes(name) || names.includes(name.replace(/^[^.]+/, '*'))
}

function stagingOverTrusted(plan: CertificatePlan, { directory, observed }: SafetyInput): string[] {
  if (plan.issuance.kind !== 'issue' || !/staging/i.test(directory)) return []
  const trusted = servedBy(plan).filter(
    ({ issuer, notAfter }) => !/staging/i.test(issuer) && Date.parse(notAfter) > observed.now.getTime(),
  )
  if (trusted.length === 0) return []
  const issuers = [...new Set(trusted.map(({ issuer }) => issuer))].join(', ')
  return [
    `${plan.certificate} is served with a certificate by ${issuers}, and a staging CA would replace it on ${trusted.length} endpoints`,
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
