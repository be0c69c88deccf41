import { NodeError } from '../src/core/errors.ts'
import { endpointsFor, sayServices, servicesFor } from '../src/core/serving.ts'
import type { Deployment } from './deployment.ts'
import type { Fleet } from './fleet.ts'
import { inspect } from './inspect.ts'
import { handshake } from './verify.ts'

/**
 * A node that says it could not undo may only have failed to reload twice: its services then never read the new files.
 * When live is back and what was served before is still served, that is what is told instead.
 */
export async function lookAgain(error: NodeError, deployment: Deployment, fleet: Fleet): Promise<NodeError> {
  const { node, certificate, from } = deployment
  try {
    const shell = await fleet.shell(node)
    const { lineages } = await inspect(shell, node, [certificate.name])
    const live = Object.values(lineages[certificate.name]?.live ?? {})
    const back = from !== undefined && live.every((entry) => entry.is === 'link' && entry.number === from)
    if (!back || !(await servesAsBefore(deployment, fleet))) return error
    return new NodeError(error.message.replace(/^[^:]+: |, and it could not be undone$/g, ''), {
      node: node.name,
      step: error.step,
      exitCode: error.exitCode,
      left: 'restored',
      detail: error.detail,
      hint: sayBack(from, Object.keys(servicesFor(node, certificate))),
      cause: error,
    })
  } catch {
    return error
  }
}

function sayBack(number: number, services: readonly string[]): string {
  const back = `live was switched back to version ${number}, which ${sayServices(services)} still ${services.length === 1 ? 'serves' : 'serve'}`
  return `${back}; see why ${services.length === 1 ? 'it does' : 'one of them does'} not reload: systemctl status ${services.join(' ')}`
}

/** Whether every endpoint serves for every name what the node served before. */
export async function servesAsBefore(deployment: Deployment, fleet: Fleet): Promise<boolean> {
  const { node, certificate, servedBefore } = deployment
  const open = fleet.opener(node)
  const before = new Set(servedBefore.map(({ fingerprint }) => fingerprint))
  const pairs = endpointsFor(node, certificate).flatMap((endpoint) =>
    certificate.verifyNames.map((name) => ({ endpoint, name })),
  )
  const answers = await Promise.all(pairs.map(({ endpoint, name }) => handshake(endpoint, name, { open })))
  return answers.every(({ leaf }) => leaf && before.has(leaf.fingerprint))
}
