import { readFile } from 'node:fs/promises'
import { ConfigError } from '../../src/core/errors.ts'
import type { RemoteNode } from '../../src/core/node.ts'
import { causeOf } from '../../src/core/cause.ts'
import { algorithmsOf, fingerprint, hostKeyType } from '../known-hosts.ts'
import { readIdentity } from './identity.ts'

export interface PublicKey {
  /** `ssh-ed25519 AAAA…`: type and key, no comment. */
  readonly line: string
  readonly fingerprint: string
}

/** A public key file as ssh-keygen writes it. Throws ConfigError. */
export async function readPublicKey(path: string): Promise<PublicKey> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new ConfigError(`read public key ${path} failed: ${causeOf(cause)}`, {
      hint: `make a key pair: ssh-keygen -t ed25519 -f ${path.replace(/\.pub$/, '')} -N ''`,
      cause,
    })
  })
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const [type = '', key = ''] = lines[0]?.trim().split(/\s+/) ?? []
  const bytes = Buffer.from(key, 'base64')
  if (lines.length === 1 && Object.hasOwn(algorithmsOf, type) && hostKeyType(bytes) === type) {
    return toPublicKey(type, bytes)
  }
  const what = text.includes('PRIVATE KEY') ? 'it is a private key' : 'there is no public key in it'
  throw new ConfigError(`read public key ${path} failed: ${what}`, {
    hint: text.includes('PRIVATE KEY') ? `name its public half: ${path}.pub` : `ssh-keygen -lf ${path}`,
  })
}

/** The public half of the key that a node is logged in to with; undefined where an agent has it. */
export async function publicKeyOf(node: RemoteNode): Promise<PublicKey | undefined> {
  if (node.ssh.identity === 'agent') return undefined
  const ssh2 = (await import('ssh2')).default
  const identity = await readIdentity({ node: node.name, target: node.ssh }, ssh2, undefined)
  if (identity.type !== 'publickey') return undefined
  const parsed = ssh2.utils.parseKey(identity.key)
  if (parsed instanceof Error) return undefined
  return toPublicKey(parsed.type, parsed.getPublicSSH())
}

function toPublicKey(type: string, key: Buffer): PublicKey {
  return { line: `${type} ${key.toString('base64')}`, fingerprint: fingerprint(key) }
}
