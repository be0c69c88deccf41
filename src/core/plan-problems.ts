import type { ErrorFacts } from './errors.ts'
import type { NodePlan, Plan } from './plan.ts'

/** Why a node is left out, as an error with the way out; undefined for a node that is not. */
export function problemOf({ node, action, because, drift, error }: NodePlan): ErrorFacts | undefined {
  if (action !== 'unreachable' && action !== 'blocked') return undefined
  if (error) return error
  const blocked = drift.find((one) => one.kind === 'blocked')
  return {
    message: `${node}: ${because}`,
    hints: blocked ? [blocked.hint] : [],
    ...(blocked?.detail ? { detail: blocked.detail } : {}),
  }
}

/** Everything that applying the plan can't mend, each once. */
export function problemsOf(plan: Plan): ErrorFacts[] {
  const found = plan.certificates.flatMap(({ issuance, nodes }) => [
    ...(issuance.kind === 'refuse' ? issuance.errors : []),
    ...nodes.flatMap((node) => problemOf(node) ?? []),
  ])
  return [...new Map(found.map((error) => [error.message, error])).values()]
}
