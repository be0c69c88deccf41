import type { Certificate, Leaf } from './certificate.ts'
import { findDrift } from './drift.ts'
import type { Drift } from './drift.ts'
import type { ErrorFacts } from './errors.ts'
import { sayInstant } from './duration.ts'
import { heldBack } from './hold.ts'
import type { Hold } from './hold.ts'
import type { Observed } from './observed.ts'
import { isChange } from './plan.ts'
import type { NodePlan } from './plan.ts'
import type { VersionFacts } from './version.ts'

export interface NodeInput {
  readonly certificate: Certificate
  readonly observed: Observed
  readonly wanted: VersionFacts | undefined
  /** Undefined when no version can be had. */
  readonly to: number | undefined
  readonly hold?: Hold | undefined
}

/** What one node needs, and why. */
export function planNode(node: string, { certificate, observed, wanted, to, hold }: NodeInput): NodePlan {
  const seen = observed.nodes[node]
  const answers = seen?.served[certificate.name] ?? []
  const served = answers.flatMap(({ leaf }) => leaf ?? [])
  if (!seen?.inspection) return planUnreachable(node, served, seen?.error)
  const found = findDrift({
    certificate: certificate.name,
    services: certificate.services,
    wanted,
    to,
    inspection: seen.inspection,
    served: answers,
    now: observed.now,
  })
  const entry = seen.inspection.lineages[certificate.name]?.live.privkey
  const from = entry?.is === 'link' ? entry.number : undefined
  const numbers = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
  const decided = decideAction(found, { wanted: wanted !== undefined, to })
  // What is mended by the way is mended where a version is brought.
  const drift = decided.action === 'install' ? found : found.filter(({ kind }) => kind !== 'mend')
  const plan = { node, ...numbers, drift, served, ...decided }
  const held = wanted && isChange(plan) ? heldBack(hold, node, wanted.number) : undefined
  if (!held) return plan
  const because = `version ${held.version} was rolled back at ${sayInstant(held.since)}`
  const { to: _, ...left } = plan
  return { ...left, ...(from === undefined ? {} : { to: from }), action: 'none', because, held }
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
  { wanted, to }: { readonly wanted: boolean; readonly to: number | undefined },
): Pick<NodePlan, 'action' | 'because'> {
  const blocked = drift.find((one) => one.kind === 'blocked')
  const files = drift.find((one) => one.kind === 'files')
  const served = drift.find((one) => one.kind === 'served')
  const issuing = !wanted && to !== undefined
  const needed = issuing || files || served
  if (blocked && needed) return { action: 'blocked', because: blocked.because }
  if (to === undefined)
    return { action: 'waiting', because: served?.because ?? files?.because ?? 'there is no version for it' }
  if (issuing)
    return { action: 'install', because: served?.because ?? files?.because ?? 'a new version is issued' }
  if (files) return { action: 'install', because: served?.because ?? files.because }
  if (served) return { action: 'reload', because: served.because }
  return { action: 'none', because: 'it serves it, and its files are right' }
}
