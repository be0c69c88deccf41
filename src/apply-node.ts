import { deploy } from '../deploy/deploy.ts'
import { rollBack } from '../deploy/roll-back.ts'
import type { App } from './app.ts'
import type { Version } from './core/certificate.ts'
import { CertsError, errorFacts } from './core/errors.ts'
import type { CertificatePlan, NodePlan } from './core/plan.ts'
import type { NodeResult } from './core/result.ts'
import { servicesFor } from './core/serving.ts'
import { versionFacts } from './core/version.ts'
import { recordStep } from './record.ts'

export interface NodeMeans {
  readonly plan: CertificatePlan
  readonly app: App
  /** What is to be brought; undefined for a way back. */
  readonly version: Version | undefined
}

/** Changes one node; what it does and how it ended stand in the journal, the intent first. */
export async function applyToNode(step: NodePlan, { plan, app, version }: NodeMeans): Promise<NodeResult> {
  const certificate = app.settings.certificates[plan.certificate]!
  const node = app.settings.nodes[step.node]!
  const to = step.action === 'roll-back' ? step.to : version?.number
  try {
    const services = Object.keys(servicesFor(node, certificate))
    const done = await recordStep(app, { step, certificate: certificate.name, to, services }, () => {
      // Begun is finished: only a person who asks twice ends the wait for it.
      const means = { fleet: app.fleet, emit: app.emit, signal: app.io.urgent }
      const { deadlineMs } = app.settings.rollout
      const common = { node, certificate, now: app.io.now(), deadlineMs }
      if (step.action === 'roll-back') {
        const back = step.back && { placed: step.back, served: step.served[0] }
        return rollBack({ ...common, number: step.to!, back }, means)
      }
      const reloadOnly = step.action === 'reload'
      return deploy(
        {
          ...common,
          version: version!,
          facts: versionFacts(version!),
          reloadOnly,
          adoption: step.adoption,
          from: step.from,
          servedBefore: step.served,
        },
        means,
      )
    })
    const { to: reached, proof: because, placed } = done
    return { node: step.node, status: 'done', from: done.from ?? step.from, to: reached, because, placed }
  } catch (error) {
    if (!(error instanceof CertsError)) throw error
    app.emit({ kind: 'node-failed', node: step.node, certificate: certificate.name, error })
    const because = error.message.replace(`${step.node}: `, '')
    return { node: step.node, status: 'failed', from: step.from, to, because, error: errorFacts(error) }
  }
}
