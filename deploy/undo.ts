import type { Leaf } from '../src/core/certificate.ts'
import { leafOf } from '../src/core/drift.ts'
import { NodeError } from '../src/core/errors.ts'
import type { Emit } from '../src/core/event.ts'
import { endpointsFor } from '../src/core/serving.ts'
import type { Deployment } from './deployment.ts'
import type { Fleet } from './fleet.ts'
import { rollback } from './install.ts'
import type { Installed } from './install.ts'
import { servesAsBefore } from './look-again.ts'
import { verify } from './verify.ts'
import { explainServed } from './why-served.ts'

interface UndoInput {
  readonly deployment: Deployment
  readonly installed: Installed
  readonly fleet: Fleet
  readonly emit: Emit
  readonly signal: AbortSignal
}

/**
 * Puts a node back on its former version after the new one did not prove right, and verifies that.
 * Never throws: returns the error to report, the first failure with what the node is left with.
 */
export async function undo(failure: NodeError, input: UndoInput): Promise<NodeError> {
  const { deployment, installed } = input
  const why = failure.step === 'verify' ? await explainServed(deployment, input.fleet) : []
  const keep = whyKeep(failure, deployment, installed)
  if (keep) return withLeft(failure, 'changed', [keep, ...why])
  const { left, said } = await goBack(installed.former ?? deployment.version.number, input)
  return withLeft(failure, left, [said, ...why])
}

/** Why the node stays on the new version although it did not prove right. */
function whyKeep(
  failure: NodeError,
  { version, servedBefore, now }: Deployment,
  installed: Installed,
): string | undefined {
  if (installed.outcome !== 'installed')
    return `live already was version ${version.number}, so there is nothing to go back to`
  if (installed.former === undefined && installed.placed.length === 0)
    return 'there was no version before this one to go back to'
  const expired = servedBefore.every(({ notAfter }) => Date.parse(notAfter) < now.getTime())
  if (failure.step !== 'probe' || !expired) return undefined
  return `version ${version.number} was left in place: it is served, and what was served before has expired`
}

async function goBack(number: number, input: UndoInput): Promise<{ left: NodeError['left']; said: string }> {
  const { deployment, fleet, emit, signal } = input
  const { node, certificate, now } = deployment
  try {
    const { name, services } = certificate
    const { placed } = input.installed
    const order = { certificate: name, services, number, forceReload: true, back: placed, signal }
    const { lineage } = await rollback(await fleet.shell(node), node, order)
    emit({ kind: 'node-rolled-back', node: node.name, certificate: certificate.name, number })
    const leaf = leafOf(lineage)
    const expired = leaf && Date.parse(leaf.notAfter) < now.getTime() ? ', which has expired' : ''
    const again = placed.map(({ path }) => path).join(', ')
    const handed = again === '' ? '' : `${again} is what it was before`
    const switched =
      number === deployment.version.number ? '' : `live was switched back to version ${number}${expired}`
    const back = [switched, handed].filter((part) => part !== '').join(', ')
    const wrong = leaf ? await whyNotServed(leaf, input) : 'its leaf can not be read'
    if (wrong) return { left: 'degraded', said: `${back}, but it is not served: ${wrong}` }
    return { left: 'restored', said: `${back}, and verified by handshake` }
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    return { left: 'degraded', said: `going back to version ${number} failed too: ${said}` }
  }
}

/** A node whose services never read live is right again when it serves what it served before. */
async function whyNotServed(
  leaf: Leaf,
  { deployment, installed, fleet }: UndoInput,
): Promise<string | undefined> {
  const { node, certificate, deadlineMs } = deployment
  const open = fleet.opener(node)
  if (await servesAsBefore(deployment, fleet)) return undefined
  // Where nginx reads other files again, it serves what was in them.
  const [before] = installed.placed.length > 0 ? deployment.servedBefore : []
  const { fingerprint: leafFingerprint } = before ?? leaf
  const wanted = { names: certificate.verifyNames, leafFingerprint }
  const endpoints = endpointsFor(node, certificate)
  const verdict = await verify(node, wanted, { endpoints, open, deadlineMs })
  return verdict.ok ? undefined : verdict.because
}

function withLeft(failure: NodeError, left: NodeError['left'], said: readonly string[]): NodeError {
  return new NodeError(failure.message.replace(`${failure.node}: `, ''), {
    node: failure.node,
    step: failure.step,
    left,
    hint: [...said, ...failure.hints],
    detail: failure.detail,
    cause: failure.cause,
  })
}
