import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { NodeError, StateError } from '../src/core/errors.ts'
import type { RemoteNode, SshTarget } from '../src/core/node.ts'
import { causeOf } from '../src/core/cause.ts'
import {
  algorithmsOf,
  fingerprint,
  type HostKeyAlgorithm,
  hostKeyType,
  judge,
  trustLine,
} from './known-hosts.ts'
import { closeAll, loginOptions, loginsTo, type SshOptions } from './ssh.ts'
import { createVerifier, readKnownHosts } from './ssh/host-key.ts'
import { type Hop, hopError, hopsTo, placeOf } from './ssh/hop.ts'
import type { Login, LoginOptions } from './ssh/login.ts'
import { scanKey } from './ssh/scan.ts'

export interface ScannedKey {
  /** RFC 4253 section 6.6 bytes. */
  readonly key: Uint8Array
  readonly type: string
  readonly fingerprint: string
  /** It is trusted already. */
  readonly known: boolean
}

export interface Scanned {
  readonly target: SshTarget
  /** `203.0.113.11`, or `jump host bastion (192.0.2.1)`. */
  readonly place: string
  readonly keys: readonly ScannedKey[]
}

/** One of each kind is asked for, as a node shows only one of its keys at a time. */
const families: readonly (readonly HostKeyAlgorithm[])[] = [
  algorithmsOf['ssh-ed25519'],
  [
    ...algorithmsOf['ecdsa-sha2-nistp256'],
    ...algorithmsOf['ecdsa-sha2-nistp384'],
    ...algorithmsOf['ecdsa-sha2-nistp521'],
  ],
  algorithmsOf['ssh-rsa'],
]

/**
 * Asks a node for its host keys, without logging in. With jump hosts, the first machine on the way that is not
 * trusted is asked, so that a node is trusted hop by hop. Throws NodeError, also when a key has changed or is
 * revoked: a person is not to trust that by a mere yes.
 */
export async function scanNode(
  node: RemoteNode,
  signal: AbortSignal,
  options: SshOptions = {},
): Promise<Scanned> {
  const how = loginOptions(options, signal)
  const hops = hopsTo(node)
  for (const [index, hop] of hops.entries()) {
    const logins = await loginsTo(hops.slice(0, index), how)
    try {
      const scanned = await scanHop(hop, logins.at(-1), how)
      if (index === hops.length - 1 || !scanned.keys.some(({ known }) => known)) return scanned
    } finally {
      closeAll(logins)
    }
  }
  throw new NodeError('has no address', { node: node.name, step: 'connect' })
}

async function scanHop(hop: Hop, before: Login | undefined, options: LoginOptions): Promise<Scanned> {
  const entries = await readKnownHosts(hop)
  const asked = await Promise.allSettled(
    families.map((family) => scanKey({ hop, before, ...options }, family)),
  )
  const keys = asked.flatMap((one) => (one.status === 'fulfilled' && one.value ? [one.value] : []))
  // Some sshds close when they are asked for a kind they don't have; that one is no failure beside the others.
  const failed = asked.find((one) => one.status === 'rejected')
  if (keys.length === 0 && failed) throw failed.reason
  const verifier = createVerifier(hop, entries)
  for (const key of keys) {
    const { kind } = judge(entries, hop.target, key)
    if (kind === 'changed' || kind === 'revoked') {
      verifier.accepts(key)
      throw verifier.refusal()
    }
  }
  if (keys.length === 0) {
    throw hopError(hop, 'connect', {
      message: `${placeOf(hop)} has no host key of a safe type`,
      hint: 'ssh-keygen -A on the machine makes them',
    })
  }
  return { target: hop.target, place: placeOf(hop), keys: keys.map((key) => sayKey(key)) }

  function sayKey(key: Buffer): ScannedKey {
    const known = judge(entries, hop.target, key).kind === 'known'
    return { key, type: hostKeyType(key), fingerprint: fingerprint(key), known }
  }
}

/** Appends to the known_hosts file, durably; a new file is its owner's alone, an old one keeps its mode. */
export async function trustKeys(target: SshTarget, keys: readonly Pick<ScannedKey, 'key'>[]): Promise<void> {
  const { knownHosts } = target
  const lines = keys.map(({ key }) => `${trustLine(target, key)}\n`).join('')
  try {
    await mkdir(dirname(knownHosts), { recursive: true, mode: 0o700 })
    await using file = await open(knownHosts, 'a+', 0o600)
    const { size } = await file.stat()
    const last = Buffer.alloc(1)
    if (size > 0) await file.read(last, 0, 1, size - 1)
    const needsNewline = size > 0 && last.toString() !== '\n'
    await file.appendFile(needsNewline ? `\n${lines}` : lines)
    await file.sync()
  } catch (error) {
    throw new StateError(`write ${knownHosts} failed: ${causeOf(error)}`, { cause: error })
  }
}
