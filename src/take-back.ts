import { rollOut } from '../deploy/rollout.ts'
import type { Rollout } from '../deploy/rollout.ts'
import type { App } from './app.ts'
import { applyToNode } from './apply-node.ts'
import { CertsError } from './core/errors.ts'
import type { CertificatePlan } from './core/plan.ts'
import type { NodeResult } from './core/result.ts'
import { mergeWayBack, planWayBack } from './core/way-back.ts'
import type { Withdrawal } from './core/withdrawal.ts'

export interface TakenBack {
  readonly results: readonly NodeResult[]
  readonly halted?: string | undefined
}

/**
 * Where the configuration wants it, brings the nodes that a failed rollout changed back to their former versions, wave by
 * wave and each verified; the first node that does not come back ends it. A run that was interrupted begins no way back.
 */
export async function takeBack(plan: CertificatePlan, app: App, rollout: Rollout): Promise<TakenBack> {
  const { nodes: results, halted, failed } = rollout
  const settings = app.settings.rollout
  const wanted = settings.onHalt === 'rollback' && plan.issuance.kind !== 'roll-back'
  if (!wanted || failed === undefined || app.io.signal.aborted) return { results, halted }

  const blocked = await blockedKeys(plan, app)
  if (!blocked) return { results, halted }
  const back = planWayBack({
    plan,
    results,
    because: `the rollout halted: ${failed}`,
    blocked,
    now: app.io.now(),
  })
  const { certificate } = plan
  if (back.steps.length > 0)
    app.emit({ kind: 'going-back', certificate, because: failed, nodes: back.waves.flat() })
  const returned = await rollOut({
    certificate,
    waves: back.waves,
    settings: { ...settings, haltAfter: 1, settleMs: 0 },
    deploy: (node) =>
      applyToNode(
        back.steps.find((step) => step.node === node)!,
        { plan, app, version: undefined },
      ),
    emit: app.emit,
    signal: app.io.signal,
    back: true,
  })
  return { results: mergeWayBack(results, back, returned.nodes), halted: halted ?? failed }
}

/** Undefined where they can't be read: a node must not go back to a key that may be blocked. */
async function blockedKeys(
  { certificate }: CertificatePlan,
  { withdrawals, emit }: App,
): Promise<Withdrawal['blocked'] | undefined> {
  try {
    return (await withdrawals.recall())(certificate).blocked
  } catch (error) {
    if (!(error instanceof CertsError)) throw error
    emit({ kind: 'warning', certificate, message: `nothing is rolled back: ${error.message}` })
    return undefined
  }
}
