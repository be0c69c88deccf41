import { NodeError } from '../src/core/errors.ts'
import type { Node } from '../src/core/node.ts'
import { inspect } from './inspect.ts'
import type { Shell } from './shell.ts'

export interface ProofOptions {
  readonly certificates: readonly string[]
  /** Something may be forwarded, so that a refusal proves nothing. */
  readonly forwards: boolean
  readonly signal?: AbortSignal | undefined
}

/**
 * Proves through the new login itself that it inspects by the program that is installed, and that neither a shell
 * nor forwarding is to be had. Throws NodeError.
 */
export async function proveSetup(shell: Shell, node: Node, options: ProofOptions): Promise<void> {
  const { certificates, forwards, signal } = options
  const { program } = await inspect(shell, node, certificates, { signal })
  const user = node.ssh?.user
  if (program !== 'installed') {
    const what = program === undefined ? 'still gets a shell' : 'gets a program of another version of certs'
    throw unproved(node, `the login ${user} ${what}`)
  }
  const { stdout } = await shell.run("printf 'certs-%s\\n' shell\n", { signal })
  if (stdout.includes('certs-shell')) throw unproved(node, `the login ${user} runs what it is sent`)
  if (forwards) return
  const stream = await shell.forward('127.0.0.1', node.ssh?.port ?? 22).catch(() => undefined)
  stream?.destroy()
  if (stream) throw unproved(node, `the login ${user} can forward connections`)
}

function unproved(node: Node, message: string): NodeError {
  return new NodeError(message, {
    node: node.name,
    step: 'setup',
    left: 'changed',
    hint: [
      'another authorized_keys, or a Match block of its sshd_config, lets it in: on the node, as root',
      `sshd -T -C user=${node.ssh?.user},host=,addr= | grep -i -e authorizedkeys -e forcecommand`,
    ],
  })
}
