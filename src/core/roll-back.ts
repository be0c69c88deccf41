import type { Certificate } from './certificate.ts'
import { fileKinds } from './certificate.ts'
import { findDrift } from './drift.ts'
import { findStrayReads } from './layout-reads.ts'
import type { Lineage } from './node.ts'
import { planUnreachable } from './plan-node.ts'
import type { Observed } from './observed.ts'
import type { CertificatePlan, NodePlan, Plan } from './plan.ts'
import { cutWaves } from './waves.ts'
import type { RolloutSettings } from './waves.ts'
import { refuseBlocked } from './withdrawal.ts'

export interface RollBackRequest {
  readonly certificate: Certificate
  readonly rollout: RolloutSettings
  /** The version to go back to; undefined: each node's own version before the one that live points to. */
  readonly toVersion: number | undefined
  readonly only: readonly string[] | undefined
}

/** Plans the way back to a version that each node already holds; nothing is issued and nothing is sent. */
export function planRollBack(request: RollBackRequest, observed: Observed): Plan {
  const { certificate, rollout, only } = request
  const names = certificate.nodes.filter((node) => only?.includes(node) ?? true)
  const nodes = names.map((node) => planNode(node, request, observed))
  const changed = nodes.filter(({ action }) => action === 'roll-back').map(({ node }) => node)
  const plan: CertificatePlan = {
    certificate: certificate.name,
    issuance: { kind: 'roll-back', because: 'it was asked for' },
    nodes: nodes.toSorted((a, b) => Number(a.action !== 'roll-back') - Number(b.action !== 'roll-back')),
    waves: cutWaves(changed, rollout),
  }
  return { format: 1, at: observed.now.toISOString(), certificates: [plan] }
}

function planNode(node: string, { certificate, toVersion }: RollBackRequest, observed: Observed): NodePlan {
  const seen = observed.nodes[node]
  const answers = seen?.served[certificate.name] ?? []
  const served = answers.flatMap(({ leaf }) => leaf ?? [])
  if (!seen?.inspection) return planUnreachable(node, served, seen?.error)
  const { inspection } = seen
  const lineage = inspection.lineages[certificate.name]
  const entry = lineage?.live.privkey
  const from = entry?.is === 'link' ? entry.number : undefined
  const complete = lineage ? completeVersions(lineage) : []
  const { versions = [], withdrawal } = observed.certificates[certificate.name] ?? {}
  const blockedKey = (number: number) => {
    const spki = versions.find((version) => version.number === number)?.leaf.spki
    return spki === undefined ? undefined : withdrawal?.blocked.get(spki)
  }
  const to = toVersion ?? complete.findLast((number) => number < (from ?? 0) && !blockedKey(number))
  const drift = findDrift({
    node,
    certificate: certificate.name,
    services: certificate.services,
    wanted: undefined,
    to,
    strays: findStrayReads(certificate, inspection),
    inspection,
    served: answers,
    now: observed.now,
  })
  const base = {
    node,
    drift: drift.filter(({ kind }) => kind !== 'mend' || to !== from),
    served,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  }

  const blocked = drift.find(({ kind }) => kind === 'blocked')
  if (blocked) return { ...base, action: 'blocked', because: blocked.because }
  if (to === undefined || !complete.includes(to))
    return { ...base, action: 'blocked', ...sayMissing(to, from, complete) }
  const key = blockedKey(to)
  if (key) {
    const error = refuseBlocked(certificate.name, to, key)
    return { ...base, action: 'blocked', because: error.message, error }
  }
  if (to === from) return { ...base, action: 'none', because: `live already points to version ${to}` }
  return { ...base, action: 'roll-back', because: 'it was asked for' }
}

function sayMissing(to: number | undefined, from: number | undefined, complete: readonly number[]) {
  const what =
    to === undefined ? `no complete version before ${from ?? 'the one in live'}` : `no complete version ${to}`
  return { because: `its archive holds ${what} (complete: ${complete.join(', ') || 'none'})` }
}

/** Numbers for which all four files exist, ascending. */
function completeVersions({ archive }: Lineage): number[] {
  const numbers = [...new Set(archive.map(({ number }) => number))].toSorted((a, b) => a - b)
  return numbers.filter((number) =>
    fileKinds.every((kind) => archive.some((file) => file.kind === kind && file.number === number)),
  )
}
