import type { Certificate, Leaf } from '../src/core/certificate.ts'
import { leafOf } from '../src/core/drift.ts'
import { sayCount } from '../src/core/count.ts'
import { sayValidity } from '../src/core/duration.ts'
import { NodeError } from '../src/core/errors.ts'
import type { Emit } from '../src/core/event.ts'
import type { Placed } from '../src/core/layout-adoption.ts'
import type { Node } from '../src/core/node.ts'
import { endpointsFor, servicesFor } from '../src/core/serving.ts'
import type { Deployed } from './deploy.ts'
import type { Fleet } from './fleet.ts'
import { rollback } from './install.ts'
import { verify } from './verify.ts'

export interface RollBackOrder {
  readonly node: Node
  readonly certificate: Certificate
  /** A version that the node holds. */
  readonly number: number
  /** What nginx is to read again as before, and the leaf that it served then. */
  readonly back?: { readonly placed: readonly Placed[]; readonly served: Leaf | undefined } | undefined
  readonly now: Date
  /** Milliseconds until it must be served. */
  readonly deadlineMs: number
}

interface Means {
  readonly fleet: Fleet
  readonly emit: Emit
  readonly signal: AbortSignal
}

/** Points live at a version that the node holds, reloads, and verifies it by handshake. */
export async function rollBack(order: RollBackOrder, { fleet, emit, signal }: Means): Promise<Deployed> {
  const { node, certificate, number, back: before, now, deadlineMs } = order
  emit({ kind: 'node-installing', node: node.name, certificate: certificate.name, number })
  const services = Object.keys(servicesFor(node, certificate))
  const back = await rollback(await fleet.shell(node), node, {
    certificate: certificate.name,
    services,
    number,
    forceReload: true,
    back: before?.placed,
    onStep: (step) =>
      emit({ kind: 'node-step', node: node.name, certificate: certificate.name, services, step }),
    signal,
  })
  const leaf = leafOf(back.lineage)
  if (!leaf) {
    throw new NodeError(`live is at version ${number}, but its leaf can't be read`, {
      node: node.name,
      step: 'verify',
      left: 'changed',
    })
  }
  emit({ kind: 'node-verifying', node: node.name, certificate: certificate.name })
  const open = fleet.opener(node)
  const wanted = { names: certificate.verifyNames, leafFingerprint: (before?.served ?? leaf).fingerprint }
  const endpoints = endpointsFor(node, certificate)
  const verdict = await verify(node, wanted, { endpoints, open, deadlineMs })
  if (!verdict.ok) {
    throw new NodeError(`verification failed: ${verdict.because}`, {
      node: node.name,
      step: 'verify',
      left: 'changed',
      hint: `live is at version ${number}; certs rollout ${certificate.name} --node ${node.name} brings the newest`,
    })
  }
  emit({ kind: 'node-verified', node: node.name, certificate: certificate.name, number })
  return {
    from: back.former,
    to: number,
    proof: `verified at ${sayCount(endpoints.length, 'endpoint')}, ${sayValidity(leaf.notAfter, now)}`,
  }
}
