import type { App } from '../app.ts'
import type { Certificate } from '../core/certificate.ts'
import { CertsError } from '../core/errors.ts'
import type { UnsafePlanError } from '../core/errors.ts'
import { makePlan } from '../core/make-plan.ts'
import type { Observed } from '../core/observed.ts'
import type { Plan } from '../core/plan.ts'
import { renderPlan } from '../core/render-plan.ts'
import type { Planned } from '../core/saved-plan.ts'
import { checkSafety } from '../core/safety.ts'
import type { Io } from '../io.ts'
import type { Selection } from '../observe.ts'
import { choosePaint } from '../progress.ts'
import type { Invocation } from './command.ts'

export interface Prepared {
  readonly plan: Plan
  /** What only a person may decide. */
  readonly unsafe: UnsafePlanError | undefined
}

export interface Looked extends Prepared {
  readonly observed: Observed
}

/** Observes, plans and checks; changes nothing. */
export async function prepare(app: App, selection: Selection): Promise<Looked> {
  const { observe } = await import('../observe.ts')
  const observing = observe(app, selection)
  // What comes next is loaded while the nodes are waited for.
  if (selection.mayChange) void import('../apply.ts')
  const observed = await observing
  if (app.io.signal.aborted) throw new CertsError('interrupted while looking: nothing was changed')
  const plan = makePlan({ ...selection, rollout: app.settings.rollout }, observed)
  return { plan, observed, unsafe: judge(app, plan, { certificates: selection.certificates, observed }) }
}

/** What is kept of a plan, or compared with a plan that was kept. */
export async function planned(
  app: App,
  { certificates, forceRenew, adopt }: Selection,
  { plan, observed }: Looked,
): Promise<Planned> {
  const { describeSight } = await import('../core/sight.ts')
  const { nodes, rollout, cas } = app.settings
  const request = { certificates: certificates.map(({ name }) => name), forceRenew, ...(adopt && { adopt }) }
  return { request, sight: describeSight({ certificates, nodes, rollout, cas, observed }), plan }
}

export function judge(
  app: App,
  plan: Plan,
  seen: { readonly certificates: readonly Certificate[]; readonly observed: Observed },
): UnsafePlanError | undefined {
  const { maxNodes } = app.settings.rollout
  return checkSafety(plan, { ...seen, maxNodes })
}

export function showPlan(plan: Plan, invocation: Invocation, io: Io): void {
  const text = invocation.flag('json')
    ? JSON.stringify(plan, null, 2)
    : renderPlan(plan, choosePaint(io, io.stdout))
  io.stdout.write(`${text}\n`)
}
