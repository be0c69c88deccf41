import type { CertificatePlan, NodePlan } from './plan.ts'
import type { NodeResult } from './result.ts'
import type { BlockedKey } from './withdrawal.ts'

export interface WayBack {
  /** One step for each node that goes back. */
  readonly steps: readonly NodePlan[]
  /** Their names: what was changed last goes first. */
  readonly waves: readonly (readonly string[])[]
  /** Why a node that was changed keeps the new version, by its name. */
  readonly staying: Readonly<Record<string, string>>
}

export interface WayBackInput {
  readonly plan: CertificatePlan
  readonly results: readonly NodeResult[]
  /** Why the rollout is taken back. */
  readonly because: string
  readonly blocked: ReadonlyMap<string, BlockedKey>
  readonly now: Date
}

/**
 * The way back of a rollout that failed: every node that it changed returns to its former version, unless users would be
 * served something worse than the new one.
 */
export function planWayBack({ plan, results, because, blocked, now }: WayBackInput): WayBack {
  const changed = results.flatMap((result) => {
    const step = plan.nodes.find(({ node }) => node === result.node)
    return step && result.status === 'done'
      ? [{ step, result, stays: whyStay(step, result, { blocked, now }) }]
      : []
  })
  const steps = changed.flatMap(({ step, result, stays }): NodePlan[] => {
    const { from: to, to: from } = result
    if (stays !== undefined || to === undefined || from === undefined) return []
    const back = result.placed ? { back: result.placed, served: step.served } : { served: [] }
    return [{ node: step.node, action: 'roll-back', from, to, because, drift: [], ...back }]
  })
  const back = new Set(steps.map(({ node }) => node))
  return {
    steps,
    waves: plan.waves
      .map((wave) => wave.filter((node) => back.has(node)))
      .filter((wave) => wave.length > 0)
      .toReversed(),
    staying: Object.fromEntries(
      changed.flatMap(({ step, stays }) => (stays === undefined ? [] : [[step.node, stays]])),
    ),
  }
}

function whyStay(
  { served }: NodePlan,
  { from, to }: NodeResult,
  { blocked, now }: Pick<WayBackInput, 'blocked' | 'now'>,
): string | undefined {
  if (from === undefined) return 'there was no version before this one'
  if (from === to) return 'its files were right already'
  if (served.some(({ spki }) => blocked.has(spki))) return 'the key of what it served before is blocked'
  if (served.length === 0) return 'it served no certificate before'
  const good = served.some(({ notAfter }) => Date.parse(notAfter) > now.getTime())
  return good ? undefined : 'what it served before has expired'
}

/** What the rollout came to when the way back is done: of each node its last word. */
export function mergeWayBack(
  results: readonly NodeResult[],
  { staying }: WayBack,
  back: readonly NodeResult[],
): NodeResult[] {
  return results.map((result) => {
    const stays = staying[result.node]
    if (stays !== undefined) return { ...result, because: `${result.because}; stays, because ${stays}` }
    const returned = back.find(({ node }) => node === result.node)
    if (!returned) return result
    if (returned.status === 'not-run')
      return { ...result, because: `${result.because}; not rolled back, because ${returned.because}` }
    return returned.status === 'done' ? { ...returned, status: 'rolled-back' } : returned
  })
}
