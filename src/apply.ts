import { rollOut } from '../deploy/rollout.ts'
import type { App } from './app.ts'
import { applyToNode } from './apply-node.ts'
import { atMost } from './core/at-most.ts'
import { openFallback } from './fallback.ts'
import type { Fallback } from './fallback.ts'
import type { Version } from './core/certificate.ts'
import { CertsError, errorFacts, StateError } from './core/errors.ts'
import type { ErrorFacts } from './core/errors.ts'
import { notesOf } from './core/plan.ts'
import type { CertificatePlan, NodePlan, Plan } from './core/plan.ts'
import type { CertificateResult, NodeResult, RunResult } from './core/result.ts'
import { sayParking } from './core/say-parking.ts'
import { problemOf } from './core/plan-problems.ts'
import { versionFacts } from './core/version.ts'
import { takeBack } from './take-back.ts'

type IssuanceResult = CertificateResult['issuance']

/** Orders in hand at once: enough to hide the CA's and DNS's delays, few enough for both to bear. */
const ordersAtOnce = 20

/**
 * Does what the plan says and nothing else. Versions are issued side by side, and rolled out certificate by
 * certificate as they come; what fails for one stops no other. Never throws for what a node or a CA does: each step
 * has its result, `done`, `failed` with its error, or `not-run`.
 */
export async function apply(plan: Plan, app: App): Promise<RunResult> {
  const [ordering, rolling] = [atMost(ordersAtOnce), atMost(1)]
  const fallback = openFallback(app)
  const applying = plan.certificates.map(async (each) => {
    const provided = await ordering(() => provideVersion(each, app, fallback))
    return rolling(() => rollOutCertificate(each, app, provided))
  })
  // A fault of ours is thrown only when nothing is at work any more.
  await Promise.allSettled(applying)
  return { run: app.run, certificates: await Promise.all(applying) }
}

async function rollOutCertificate(
  plan: CertificatePlan,
  app: App,
  { issuance, version }: Provided,
): Promise<CertificateResult> {
  if (issuance.status === 'failed') {
    const because = 'there is no version to roll out'
    const nodes = plan.nodes.map(({ node, from }) => ({ node, from, status: 'not-run' as const, because }))
    return { certificate: plan.certificate, issuance, nodes }
  }
  const rollout = await rollOut({
    certificate: plan.certificate,
    waves: plan.waves,
    settings: app.settings.rollout,
    deploy: (node) =>
      applyToNode(
        plan.nodes.find((step) => step.node === node)!,
        { plan, app, version },
      ),
    emit: app.emit,
    signal: app.io.signal,
  })
  const { results, halted } = await takeBack(plan, app, rollout)
  const changed = new Map(results.map((result) => [result.node, result]))
  const nodes = plan.nodes.map((step) => {
    const { node, from, to } = step
    const result = changed.get(node)
    const notes = notesOf(step)
    const known = result ? { from, to, ...result } : resultOfUntouched(step)
    return notes.length === 0 ? known : { ...known, notes }
  })
  return { certificate: plan.certificate, issuance, nodes, ...(halted && { halted }) }
}

interface Provided {
  readonly issuance: IssuanceResult
  readonly version?: Version | undefined
}

/** Issues what is to be issued, or reads the stored version; a failure becomes the result. */
async function provideVersion(plan: CertificatePlan, app: App, fallback: Fallback): Promise<Provided> {
  const { issuance } = plan
  try {
    switch (issuance.kind) {
      case 'roll-back':
        return { issuance: { status: 'unchanged' } }
      case 'refuse': {
        const error = issuance.errors[0] ?? { message: issuance.because, hints: [] }
        return { issuance: { status: 'failed', error } }
      }
      case 'keep': {
        const { number, notAfter, parked } = issuance
        // Key and chain are read only for nodes that get them.
        const version =
          plan.waves.length > 0 ? await storedVersion(plan.certificate, issuance, app) : undefined
        const error = parked && sayParking(plan.certificate, parked)
        const status = parked ? ('not-run' as const) : ('unchanged' as const)
        return { issuance: { status, number, notAfter, error }, version }
      }
      case 'issue': {
        if (app.io.signal.aborted) return { issuance: { status: 'failed', error: neverBegun(plan) } }
        const { version, ca, passedOver } = await app.memory.attempt(plan.certificate, (tries) =>
          fallback.issue(app.settings.certificates[plan.certificate]!, issuance, tries),
        )
        const { notAfter } = versionFacts(version).leaf
        const { number } = version
        return { issuance: { status: 'done', number, notAfter, ca: ca.name, passedOver }, version }
      }
    }
  } catch (error) {
    if (!(error instanceof CertsError)) throw error
    return { issuance: { status: 'failed', error: errorFacts(error) } }
  }
}

function neverBegun({ certificate }: CertificatePlan): ErrorFacts {
  return { message: `${certificate}: the run was interrupted before it was issued`, hints: [] }
}

async function storedVersion(
  certificate: string,
  { from, number }: { from: number; number: number },
  { store }: App,
): Promise<Version> {
  const version = await store.getVersion(certificate, from)
  if (!version) throw new StateError(`version ${from} of ${certificate} is gone from ${store.place}`)
  if (number === from) return version
  const copy = { ...version, number }
  await store.addVersion(copy)
  return copy
}

function resultOfUntouched(step: NodePlan): NodeResult {
  const { node, from, to, because } = step
  const error = problemOf(step)
  return { node, status: error ? 'failed' : 'unchanged', from, to, because, error }
}
