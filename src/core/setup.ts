import { ConfigError } from './errors.ts'
import type { Endpoint, Node } from './node.ts'
import { endpointsOf } from './serving.ts'

/** Where everything of it is on a node; the home of its user, and all of it root's. */
export const setupFolder = '/usr/local/lib/certs'

export const setupParts = ['program', 'pinned', 'login', 'sudoers', 'keys'] as const
export type SetupPart = (typeof setupParts)[number]

export interface SetupFile {
  readonly path: string
  /** Octal, as `755`. All belong to root. */
  readonly mode: string
  readonly text: string
  /** What it is for, a few words. */
  readonly what: string
}

/** A login that can hand orders to the installed program and do nothing else: what root puts on the node. */
export interface Setup {
  readonly node: string
  readonly user: string
  readonly files: Readonly<Record<SetupPart, SetupFile>>
}

export interface SetupWishes {
  readonly user: string
  /** The installed program, and what it answers to be. */
  readonly program: string
  /** Public keys as `ssh-ed25519 AAAA…`, without a comment. */
  readonly keys: readonly string[]
  /** What may be reached through the node; everything else that SSH can forward stays forbidden. */
  readonly forward: readonly Pick<Endpoint, 'address' | 'port'>[]
}

export const pinnedPath = `${setupFolder}/pinned`

export function makeSetup(node: Node, { user, program, keys, forward }: SetupWishes): Setup {
  const start = `sudo -n ${setupFolder}/node`
  const options = ['restrict', ...permits(forward), `command="${start}"`].join(',')
  const file = (path: string, mode: string, what: string, lines: readonly string[]): SetupFile => ({
    path,
    mode,
    what,
    text: lines.map((line) => `${line}\n`).join(''),
  })
  return {
    node: node.name,
    user,
    files: {
      program: {
        path: `${setupFolder}/node`,
        mode: '755',
        what: 'the program that runs as root',
        text: program,
      },
      pinned: file(pinnedPath, '644', 'what no order can say otherwise', pinnedLines(node)),
      login: file(`${setupFolder}/login`, '755', `the shell of ${user}, which is none`, [
        '#!/bin/sh',
        '# Whatever is asked for, this starts the one program that takes the orders of certs.',
        'PATH=/usr/bin:/bin:/usr/local/bin',
        `exec ${start}`,
      ]),
      sudoers: file(`/etc/sudoers.d/${user}`, '440', 'the only thing it may do as root', [
        `Defaults:${user} env_reset, !requiretty`,
        `${user} ALL=(root) NOPASSWD: ${setupFolder}/node ""`,
      ]),
      keys: file(
        `${setupFolder}/.ssh/authorized_keys`,
        '644',
        'who may log in, and to what',
        keys.map((key) => `${options} ${key} certs`),
      ),
    },
  }
}

/** As the lines of an order: the program compares them. */
export function pinnedLines({ root, services }: Pick<Node, 'root' | 'services'>): string[] {
  const lines = [
    `root ${root}`,
    ...Object.entries(services).flatMap(([name, { test, reload }]) => [
      `service ${name}`,
      ...test.map((word) => `test ${name} ${word}`),
      ...reload.map((word) => `reload ${name} ${word}`),
    ]),
  ]
  // oxlint-disable-next-line no-control-regex
  const odd = lines.find((line) => /[\0-\x1f\x7f]/.test(line))
  if (odd !== undefined)
    throw new ConfigError(`${JSON.stringify(odd)} for the node holds a control character`)
  return lines
}

/**
 * The endpoints and nodes that are reached through this one. With `port-forwarding` a key could also listen on the
 * node: where it may is a port that only root can take.
 */
function permits(forward: SetupWishes['forward']): string[] {
  if (forward.length === 0) return []
  const opens = forward.map(({ address, port }) => {
    if (!/^[\w.:-]+$/.test(address))
      throw new ConfigError(`${JSON.stringify(address)} is no host that forwarding can be allowed to`)
    const host = address.includes(':') ? `[${address}]` : address
    return `permitopen="${host}:${port}"`
  })
  return ['port-forwarding', ...new Set(opens), 'permitlisten="127.0.0.1:1"']
}

/** What is reached through a node's SSH connection: endpoints of its own, and nodes that it is the jump host of. */
export function forwardsOf(node: Node, nodes: readonly Node[]): Pick<Endpoint, 'address' | 'port'>[] {
  const own = endpointsOf(node.services).filter(({ via }) => via === 'ssh')
  const behind = nodes.flatMap(({ jump, ssh }) => {
    const hops = [...jump, ...(ssh ? [{ name: '', ...ssh }] : [])]
    return hops.filter((_, index) => hops[index - 1]?.name === node.name)
  })
  return [...own, ...behind].map(({ address, port }) => ({ address, port }))
}

/** How a part is found on the node. */
export type PartState = 'missing' | 'differs' | 'same'

export interface SetupSeen {
  readonly account: 'missing' | 'same'
  readonly parts: Readonly<Record<SetupPart, PartState>>
}

export function isSetUp({ account, parts }: SetupSeen): boolean {
  return account === 'same' && setupParts.every((part) => parts[part] === 'same')
}
