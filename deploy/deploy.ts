import { sayCount } from '../src/core/count.ts'
import { NodeError } from '../src/core/errors.ts'
import type { NodeStep } from '../src/core/errors.ts'
import type { Emit, InstallStep } from '../src/core/event.ts'
import type { Placed } from '../src/core/layout-adoption.ts'
import type { Node, ProbeResult } from '../src/core/node.ts'
import { endpointName } from '../src/core/served.ts'
import { endpointsFor, httpEndpointsFor, servicesFor } from '../src/core/serving.ts'
import type { Deployment } from './deployment.ts'
import type { Fleet } from './fleet.ts'
import { install } from './install.ts'
import type { Installed } from './install.ts'
import { probe } from './probe.ts'
import { lookAgain } from './look-again.ts'
import { undo } from './undo.ts'
import { verify } from './verify.ts'

export interface Deployed {
  readonly from: number | undefined
  readonly to: number
  /** What was proved, one line. */
  readonly proof: string
  /** What nginx read elsewhere, which now are links to live. */
  readonly placed?: readonly Placed[]
}

interface Means {
  readonly fleet: Fleet
  readonly emit: Emit
  readonly signal: AbortSignal
}

/**
 * Brings one version to one node: install, verify by handshake, probe; undone when it does not prove right.
 * Throws NodeError whose `left` says what the node is left with.
 */
export async function deploy(deployment: Deployment, means: Means): Promise<Deployed> {
  const { node, certificate, version } = deployment
  means.emit({
    kind: 'node-installing',
    node: node.name,
    certificate: certificate.name,
    number: version.number,
  })
  const installed = await installOnce(deployment, means)
  means.emit({ kind: 'node-verifying', node: node.name, certificate: certificate.name })
  const failure = await prove(deployment, means)
  if (failure) throw await undo(failure, { deployment, installed, ...means })
  means.emit({
    kind: 'node-verified',
    node: node.name,
    certificate: certificate.name,
    number: version.number,
  })
  const { placed } = installed
  const proof = sayProof(deployment)
  return { from: installed.former, to: version.number, proof, ...(placed.length > 0 && { placed }) }
}

/** When the connection died on the way, the outcome is unknown: log in anew and let the node look again. */
async function installOnce(deployment: Deployment, { fleet, emit, signal }: Means): Promise<Installed> {
  const { node, certificate, version, reloadOnly, adoption } = deployment
  const services = Object.keys(servicesFor(node, certificate))
  const order = {
    certificate: certificate.name,
    services,
    version,
    forceReload: reloadOnly,
    adoption,
    onStep: (step: InstallStep) =>
      emit({ kind: 'node-step', node: node.name, certificate: certificate.name, services, step }),
    signal,
  }
  try {
    return await install(await fleet.shell(node), node, order)
  } catch (error) {
    if (!(error instanceof NodeError)) throw error
    if (error.left === 'degraded') throw await lookAgain(error, deployment, fleet)
    if (error.left !== 'unknown' || signal.aborted) throw error
    const again = await install(await fleet.reconnect(node), node, { ...order, forceReload: true })
    // The first try may have done the whole: what is there to go back to is what was live before it.
    return { ...again, outcome: 'installed', former: again.former ?? deployment.from }
  }
}

/**
 * Handshakes with every endpoint and name, and the probes through every endpoint beside them; undefined when
 * all is right. A probe counts when its own connection showed the new leaf; else it is asked once more.
 */
async function prove(deployment: Deployment, { fleet }: Means): Promise<NodeError | undefined> {
  const { node, certificate, facts, deadlineMs } = deployment
  const open = fleet.opener(node)
  const wanted = {
    names: certificate.verifyNames,
    leafFingerprint: facts.leaf.fingerprint,
    chainFingerprints: facts.chain,
  }
  const endpoints = endpointsFor(node, certificate)
  const questions = certificate.probes.flatMap((one) =>
    httpEndpointsFor(node, certificate).map((endpoint) => ({ one, endpoint })),
  )
  // With the probe's own connection there are three in any case.
  const handshakes = questions.length > 0 ? 2 : 3
  const ask = ({ one, endpoint }: (typeof questions)[number]) => probe(one, endpoint, { open })
  const [verdict, early] = await Promise.all([
    verify(node, wanted, { endpoints, open, deadlineMs, handshakes }),
    Promise.all(questions.map(ask)),
  ])
  if (!verdict.ok) return unproved(node, 'verify', `verification failed: ${verdict.because}`)
  const counts = ({ ok, leafFingerprint }: ProbeResult) => ok && leafFingerprint === wanted.leafFingerprint
  const answers = early.map(async (result, index) => (counts(result) ? result : ask(questions[index]!)))
  const failed = (await Promise.all(answers)).find(({ ok }) => !ok)
  return failed && unproved(node, 'probe', `probe of ${failed.url} failed: ${sayProbe(failed, node)}`)
}

/** Where there are several services, one of them fails. */
function sayProbe({ said, endpoint }: ProbeResult, { services }: Node): string {
  return Object.keys(services).length === 1 ? said : `at ${endpointName(endpoint)}, ${said}`
}

function unproved(node: Node, step: NodeStep, message: string): NodeError {
  return new NodeError(message, { node: node.name, step, left: 'changed' })
}

/** `verified at 2 endpoints, probes answered`. */
function sayProof({ node, certificate }: Deployment): string {
  const endpoints = sayCount(endpointsFor(node, certificate).length, 'endpoint')
  const probed = certificate.probes.length > 0 && httpEndpointsFor(node, certificate).length > 0
  const names = certificate.verifyNames.length > 1 ? ` for ${certificate.verifyNames.length} names` : ''
  return `verified at ${endpoints}${names}${probed ? ', probes answered' : ''}`
}
