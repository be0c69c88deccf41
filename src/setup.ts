import { access } from 'node:fs/promises'
import { lookAtSetup, setUp } from '../deploy/setup.ts'
import { proveSetup } from '../deploy/setup-proof.ts'
import { sealedProgram } from '../deploy/node/program.ts'
import { publicKeyOf, readPublicKey } from '../deploy/ssh/public-key.ts'
import type { App } from './app.ts'
import { ConfigError } from './core/errors.ts'
import type { RemoteNode } from './core/node.ts'
import type { Setup, SetupSeen } from './core/setup.ts'
import { forwardsOf, makeSetup, pinnedPath } from './core/setup.ts'
import { record } from './record.ts'

export interface SetupWish {
  readonly node: RemoteNode
  readonly user: string
  /** Public key files; none: the public half of the node's configured identity. */
  readonly keyFiles: readonly string[]
  /** Whether what is reached through the node may be. */
  readonly forward: boolean
}

export interface PlannedSetup {
  readonly setup: Setup
  /** The node as it is logged in to afterwards; without `identity`, whose private key is not here. */
  readonly node: RemoteNode
  readonly identity: string | undefined
  /** The lines of the keys that are let in. */
  readonly keys: readonly string[]
  readonly forwards: boolean
}

/** What is to be on a node; asks no node. Throws ConfigError. */
export async function planSetup({ settings }: App, wish: SetupWish): Promise<PlannedSetup> {
  const { node, user, keyFiles, forward } = wish
  const needed = forwardsOf(node, Object.values(settings.nodes))
  if (needed.length > 0 && !forward) throw needsForwarding(node.name, needed)
  if (needed.length === 0 && forward) {
    throw new ConfigError(
      `certs nodes setup: nothing is reached through ${node.name}, so --forward allows nothing`,
      {
        hint: `certs nodes setup ${node.name}`,
      },
    )
  }
  const own = keyFiles.length > 0 ? await Promise.all(keyFiles.map(readPublicKey)) : [await ownKey(node)]
  const keys = own.map(({ line }) => line)
  const setup = makeSetup(node, { user, program: sealedProgram(pinnedPath), keys, forward: needed })
  const identity = keyFiles.length > 0 ? await privateHalf(keyFiles) : node.ssh.identity
  const ssh = { ...node.ssh, user, identity: identity ?? node.ssh.identity }
  return { setup, node: { ...node, ssh, sudo: false }, identity, keys, forwards: needed.length > 0 }
}

function needsForwarding(name: string, needed: readonly { address: string; port: number }[]): ConfigError {
  const places = needed.map(({ address, port }) => `${address} port ${port}`).join(', ')
  return new ConfigError(
    `certs nodes setup: ${places} is reached through ${name}, and such a login forwards nothing`,
    { hint: ['to allow exactly that:', `certs nodes setup ${name} --forward`] },
  )
}

async function ownKey(node: RemoteNode) {
  const key = await publicKeyOf(node)
  if (key) return key
  throw new ConfigError(`certs nodes setup: ${node.name} is logged in to by an agent, which has no one key`, {
    hint: `name the public key: certs nodes setup ${node.name} --key FILE.pub`,
  })
}

async function privateHalf(keyFiles: readonly string[]): Promise<string | undefined> {
  for (const file of keyFiles) {
    const identity = file.replace(/\.pub$/, '')
    const there = await access(identity).then(
      () => identity !== file,
      () => false,
    )
    if (there) return identity
  }
  return undefined
}

/** Looks through a login of today. Throws NodeError. */
export async function seeSetup(app: App, as: RemoteNode, { setup }: PlannedSetup): Promise<SetupSeen> {
  return lookAtSetup(await app.fleet.shell(as), { node: as, setup }, { signal: app.io.signal })
}

/** Puts what is missing in place, between two lines in the journal. Throws NodeError. */
export async function putSetup(app: App, as: RemoteNode, { setup }: PlannedSetup): Promise<void> {
  const line = { node: as.name, action: 'setup', facts: { user: setup.user } }
  await record(app, line, async () => {
    await setUp(await app.fleet.shell(as), { node: as, setup })
    return { done: undefined, facts: line.facts }
  })
}

/** Logs in as the new user and proves what it can and can't; false where no private key is here to try it with. */
export async function tryLogin(app: App, { node, identity, forwards }: PlannedSetup): Promise<boolean> {
  if (identity === undefined) return false
  const certificates = Object.values(app.settings.certificates).flatMap(({ name, nodes }) =>
    nodes.includes(node.name) ? name : [],
  )
  const shell = await app.fleet.reconnect(node)
  await proveSetup(shell, node, { certificates, forwards, signal: app.io.signal })
  return true
}

/** Whether the key that is let in is the one that is let in as somebody mightier, too. */
export async function isSameKey(as: RemoteNode, { keys }: PlannedSetup): Promise<boolean> {
  const key = await publicKeyOf(as)
  return key !== undefined && keys.includes(key.line)
}
