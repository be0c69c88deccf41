import { NodeError, type NodeProblem, type NodeStep } from '../../src/core/errors.ts'
import type { RemoteNode, SshTarget } from '../../src/core/node.ts'
import { hostName } from '../known-hosts.ts'

/** One login on the way to a node: a jump host, or at last the node itself. */
export interface Hop {
  /** The node that all this is for. */
  readonly node: string
  readonly target: SshTarget
  /** The jump host's name; absent for the node itself. */
  readonly jump?: string
}

/** The way to a node, the node itself at the end. */
export function hopsTo(node: RemoteNode): readonly Hop[] {
  const jumps = node.jump.map(({ name, ...target }) => ({ node: node.name, target, jump: name }))
  return [...jumps, { node: node.name, target: node.ssh }]
}

/** `203.0.113.11`, `[203.0.113.11]:2222`, `jump host bastion (192.0.2.1)`. */
export function placeOf({ target, jump }: Hop): string {
  return jump === undefined ? hostName(target) : `jump host ${jump} (${hostName(target)})`
}

/** `connect`, `authenticate` and `sudo` come before anything is done, so by default the node is unchanged. */
export function hopError(hop: Hop, step: NodeStep, problem: HopProblem): NodeError {
  const { message, ...options } = problem
  return new NodeError(message, { node: hop.node, step, ...options })
}

export type HopProblem = Omit<NodeProblem, 'node' | 'step'> & { readonly message: string }
