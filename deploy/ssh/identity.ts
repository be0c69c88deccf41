import { readFile, stat } from 'node:fs/promises'
import { join, dirname } from 'node:path'
import type { AgentAuthMethod, ParsedKey, PublicKeyAuthMethod } from 'ssh2'
import type { NodeError } from '../../src/core/errors.ts'
import { causeOf } from '../../src/core/cause.ts'
import { type Hop, hopError } from './hop.ts'

export type Ssh2 = typeof import('ssh2')

/** The one identity that is offered; ssh2 would try `none` first, and whatever else it finds. */
export type Identity = PublicKeyAuthMethod | AgentAuthMethod

export async function readIdentity(hop: Hop, ssh2: Ssh2, agentSocket: string | undefined): Promise<Identity> {
  const { identity, user } = hop.target
  if (identity !== 'agent') return { type: 'publickey', username: user, key: await readKey(hop, ssh2) }
  if (agentSocket) return { type: 'agent', username: user, agent: agentSocket }
  throw hopError(hop, 'authenticate', {
    message: 'no ssh agent to log in with: SSH_AUTH_SOCK is not set',
    hint: ['eval "$(ssh-agent)" && ssh-add', 'or name a key file as ssh.identity in the configuration'],
  })
}

async function readKey(hop: Hop, { utils }: Ssh2): Promise<ParsedKey> {
  const { identity: path } = hop.target
  const text = await readPrivateFile(hop, path)
  const parsed = utils.parseKey(text)
  const key = Array.isArray(parsed) ? parsed[0] : parsed
  if (key instanceof Error || !key) throw unusable(hop, key)
  if (key.isPrivateKey()) return key
  throw hopError(hop, 'authenticate', {
    message: `identity ${path} is unusable: it is a public key`,
    hint: `set ssh.identity to ${join(dirname(path), 'the private key')}`,
  })
}

async function readPrivateFile(hop: Hop, path: string): Promise<string> {
  try {
    const { mode, uid } = await stat(path)
    // As OpenSSH: a key that others can read is no secret any more; files of other owners are their business.
    if (uid === process.getuid?.() && (mode & 0o077) !== 0) {
      throw hopError(hop, 'authenticate', {
        message: `identity ${path} is unusable: its mode ${(mode & 0o777).toString(8)} lets other users read it`,
        hint: `chmod 600 ${path}`,
      })
    }
    return await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    throw hopError(hop, 'authenticate', {
      message: `read identity ${path} failed: ${causeOf(error)}`,
      hint:
        code === 'ENOENT' ? 'name the key file as ssh.identity in the configuration, or agent' : undefined,
      cause: error,
    })
  }
}

function unusable(hop: Hop, error: Error | undefined): NodeError {
  const { identity: path } = hop.target
  if (error && /encrypted/i.test(error.message)) {
    return hopError(hop, 'authenticate', {
      message: `identity ${path} is protected by a passphrase, and nobody is asked for it`,
      hint: [`ssh-add ${path}`, "and set ssh.identity to 'agent' in the configuration"],
    })
  }
  return hopError(hop, 'authenticate', {
    message: `identity ${path} is unusable: ${error ? causeOf(error) : 'there is no key in it'}`,
    hint: `ssh-keygen -y -f ${path}   shows whether OpenSSH can read it`,
  })
}
