import { planLayoutAdoption } from './layout-adoption.ts'
import type { Certificate, Leaf } from './certificate.ts'
import { findDrift, kindsFor } from './drift.ts'
import type { Drift } from './drift.ts'
import type { ErrorFacts } from './errors.ts'
import { findStrayReads } from './layout-reads.ts'
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
  /** A person said yes to putting layouts right. */
  readonly adopt?: boolean | undefined
}

/** What one node needs, and why. */
export function planNode(
  node: string,
  { certificate, observed, wanted, to, hold, adopt }: NodeInput,
): NodePlan {
  const seen = observed.nodes[node]
  const answers = seen?.served[certificate.name] ?? []
  const served = answers.flatMap(({ leaf }) => leaf ?? [])
  if (!seen?.inspection) return planUnreachable(node, served, seen?.error)
  const lineage = seen.inspection.lineages[certificate.name]
  const { services } = certificate
  const kinds = kindsFor({ services, inspection: seen.inspection })
  const strays = findStrayReads(certificate, seen.inspection)
  const avoid = numbersElsewhere(node, certificate.name, observed)
  const adoption =
    adopt && lineage && to !== undefined
      ? planLayoutAdoption({ lineage, kinds, to, avoid, strays })
      : undefined
  const found = findDrift({
    node,
    certificate: certificate.name,
    services,
    wanted,
    to,
    strays,
    adoption,
    inspection: seen.inspection,
    served: answers,
    now: observed.now,
  })
  const entry = lineage?.live.privkey
  const from = entry?.is === 'link' ? entry.number : undefined
  const numbers = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
  const decided = decideAction(found, { wanted: wanted !== undefined, to })
  // What is mended by the way is mended where a version is brought.
  const installs = decided.action === 'install'
  const drift = installs ? found : found.filter(({ kind }) => kind !== 'mend' && kind !== 'adopt')
  const plan = { node, ...numbers, drift, served, ...decided, ...(installs && adoption && { adoption }) }
  const held = wanted && isChange(plan) ? heldBack(hold, node, wanted.number) : undefined
  if (!held) return plan
  const because = `version ${held.version} was rolled back at ${sayInstant(held.since)}`
  const { to: _, adoption: __, ...left } = plan
  return { ...left, ...(from === undefined ? {} : { to: from }), action: 'none', because, held }
}

/** Those that mean a version on other nodes or in the store. */
function numbersElsewhere(node: string, certificate: string, observed: Observed): Set<number> {
  const others = Object.entries(observed.nodes).flatMap(([name, { inspection }]) =>
    name === node ? [] : (inspection?.lineages[certificate]?.archive ?? []),
  )
  const stored = observed.certificates[certificate]?.versions ?? []
  return new Set([...others, ...stored].map(({ number }) => number))
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
  const adopts = drift.find((one) => one.kind === 'adopt')
  const issuing = !wanted && to !== undefined
  const needed = issuing || files || served || adopts
  if (blocked && needed) return { action: 'blocked', because: blocked.because }
  if (to === undefined)
    return { action: 'waiting', because: served?.because ?? files?.because ?? 'there is no version for it' }
  if (issuing)
    return { action: 'install', because: served?.because ?? files?.because ?? 'a new version is issued' }
  if (files) return { action: 'install', because: served?.because ?? files.because }
  if (adopts) return { action: 'install', because: adopts.because }
  if (served) return { action: 'reload', because: served.because }
  return { action: 'none', because: 'it serves it, and its files are right' }
}
