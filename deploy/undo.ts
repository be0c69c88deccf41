import { leafOf } from '../src/core/drift.ts'
import { NodeError } from '../src/core/errors.ts'
import type { Emit } from '../src/core/event.ts'
import type { Deployment } from './deploy.ts'
import type { Fleet } from './fleet.ts'
import { rollback } from './install.ts'
import type { Installed } from './install.ts'
import { verify } from './verify.ts'

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
  const { deployment, installed, fleet, emit, signal } = input
  const { node, certificate, now } = deployment
  if (installed.outcome !== 'installed') {
    return again(
      failure,
      'changed',
      `live already was version ${deployment.version.number}, so there is nothing to go back to`,
    )
  }
  const number = installed.former
  if (number === undefined)
    return again(failure, 'changed', 'there was no version before this one to go back to')

  try {
    const back = await rollback(await fleet.shell(node), node, {
      certificate: certificate.name,
      number,
      forceReload: true,
      signal,
    })
    const leaf = leafOf(back.lineage)
    emit({ kind: 'node-rolled-back', node: node.name, certificate: certificate.name, number })
    const verdict = leaf && (await verifyLeaf(input, leaf.fingerprint))
    const said = verdict?.ok
      ? 'and verified by handshake'
      : `but it is not served: ${verdict?.because ?? 'its leaf could not be read'}`
    const expired = leaf && Date.parse(leaf.notAfter) < now.getTime() ? ', which has expired' : ''
    return again(
      failure,
      verdict?.ok ? 'restored' : 'degraded',
      `live was switched back to version ${number}${expired}, ${said}`,
    )
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    return again(failure, 'degraded', `going back to version ${number} failed too: ${said}`)
  }
}

function verifyLeaf({ deployment, fleet }: UndoInput, leafFingerprint: string) {
  const { node, certificate } = deployment
  const open = async (address: string, port: number) => (await fleet.shell(node)).forward(address, port)
  return verify(
    node,
    { names: certificate.verifyNames, leafFingerprint },
    { endpoints: node.endpoints, open },
  )
}

function again(failure: NodeError, left: NodeError['left'], said: string): NodeError {
  const message = failure.message.replace(`${failure.node}: `, '')
  return new NodeError(message, {
    node: failure.node,
    step: failure.step,
    left,
    hint: [said, ...failure.hints],
    detail: failure.detail,
    cause: failure.cause,
  })
}
