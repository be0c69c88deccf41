import path from 'node:path'
import type { ParseArgsOptionsConfig } from 'node:util'
import type { Node, SshTarget } from '../core/node.ts'
import type { Io } from '../io.ts'
import type { Invocation } from './command.ts'

/** Somebody else than who is configured, for what a login of least privilege can not do. */
export const loginOptions = {
  login: { type: 'string' },
  'login-identity': { type: 'string' },
} as const satisfies ParseArgsOptionsConfig

/** As configured today, or as somebody who was named for this. */
export function loginFor<One extends Node>(node: One, invocation: Invocation, { cwd }: Pick<Io, 'cwd'>): One {
  if (!node.ssh) return node
  const login = invocation.value('login')
  const given = invocation.value('login-identity')
  const identity = given === undefined || given === 'agent' ? given : path.resolve(cwd, given)
  const ssh: SshTarget = {
    ...node.ssh,
    user: login ?? node.ssh.user,
    identity: identity ?? node.ssh.identity,
  }
  return { ...node, ssh, sudo: login === undefined ? node.sudo : login !== 'root' }
}
