import { addAbortListener } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Client } from 'ssh2'
import { causeOf } from '../../src/core/cause.ts'
import { hostKeyAlgorithms, type KnownHost } from '../known-hosts.ts'
import { createVerifier, readKnownHosts, type Verifier } from './host-key.ts'
import type { Hop } from './hop.ts'
import { type Identity, readIdentity, type Ssh2 } from './identity.ts'
import { withStream } from './reach.ts'
import { lostEarly, whyNoLogin } from './refusal.ts'
import { spareRoundTrips } from './round-trips.ts'

/** Milliseconds. */
export interface Timeouts {
  /** For TCP. */
  readonly connect: number
  /** From TCP to being logged in. */
  readonly login: number
  /** Between two keepalives; three without an answer, and the connection is given up. */
  readonly keepalive: number
}

export interface LoginOptions {
  /** SSH_AUTH_SOCK. */
  readonly agentSocket: string | undefined
  readonly timeouts: Timeouts
  /** In [0, 1). */
  readonly random: () => number
  readonly signal: AbortSignal
  /**
   * Called when the node has all it needs to let us in, a round trip before its answer is here: what is opened
   * now is open at once. Not called where that moment is not known.
   */
  readonly onSigned?: (entering: Login) => void
}

export interface Login {
  readonly hop: Hop
  readonly client: Client
  readonly gone: () => boolean
  /** Why the connection is gone, a few words. */
  readonly because: () => string
  readonly close: () => void
}

/** Logs in at one hop, directly or through the hop before. Throws NodeError, and leaves nothing open then. */
export async function login(hop: Hop, before: Login | undefined, options: LoginOptions): Promise<Login> {
  const parts = readParts(hop, options)
  // It is awaited after the dialling, which may fail first.
  parts.catch(() => undefined)
  return withStream({ hop, before, ...options }, async (stream) =>
    enter(hop, stream, { ...(await parts), options }),
  )
}

interface Parts {
  readonly ssh2: Ssh2
  readonly identity: Identity
  readonly known: readonly KnownHost[]
}

async function readParts(hop: Hop, { agentSocket }: LoginOptions): Promise<Parts> {
  // 40 ms, and not needed by the commands that reach no node.
  const ssh2 = (await import('ssh2')).default
  const [identity, known] = await Promise.all([readIdentity(hop, ssh2, agentSocket), readKnownHosts(hop)])
  return { ssh2, identity, known }
}

async function enter(
  hop: Hop,
  stream: Duplex,
  { ssh2, identity, known, options }: Parts & { readonly options: LoginOptions },
): Promise<Login> {
  const { timeouts, signal } = options
  const client = new ssh2.Client()
  const verifier = createVerifier(hop, known)
  let error: unknown
  let [keyed, gone] = [false, false]
  const entered = new Promise<void>((resolve, reject) => {
    client
      // An error may come at any later time too, and one that nobody hears would end the process.
      .on('error', (given) => {
        error ??= given
        reject(given)
      })
      .on('handshake', () => (keyed = true))
      .on('ready', resolve)
      .on('close', () => {
        gone = true
        reject(new Error('it closed the connection'))
      })
  })
  const entering: Login = {
    hop,
    client,
    gone: () => gone,
    because: () => whyGone(verifier, error),
    close: () => close(client, stream),
  }
  using _ = addAbortListener(signal, () => client.destroy())
  try {
    // Its end came while key and known_hosts were read; nobody would be told of it again.
    if (stream.destroyed || !stream.readable) throw new Error(lostEarly)
    client.connect({
      sock: stream,
      username: hop.target.user,
      authHandler: [identity],
      hostVerifier: verifier.accepts,
      algorithms: { ...algorithms, serverHostKey: hostKeyAlgorithms(known, hop.target) },
      readyTimeout: timeouts.login,
      keepaliveInterval: timeouts.keepalive,
      keepaliveCountMax: 3,
    })
    spareRoundTrips(client, identity, () => options.onSigned?.(entering))
    await entered
    return entering
  } catch (cause) {
    client.destroy()
    throw whyNoLogin(hop, { cause, verifier, keyed, interrupted: signal.aborted, known })
  }
}

/**
 * ssh2 knows CBC, SHA-1 and ChaCha20-Poly1305 too. The last is open to a prefix cut (Terrapin, CVE-2023-48795)
 * where the node has no strict key exchange, which can't be asked for; every OpenSSH since 6.2 has AES-GCM.
 */
export const algorithms = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group14-sha256',
  ],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes256-ctr', 'aes128-ctr'],
  hmac: ['hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
} satisfies import('ssh2').Algorithms

function whyGone(verifier: Verifier, error: unknown): string {
  // At a rekey, an accepted node can show another key.
  return verifier.refusal()?.message ?? (error === undefined ? 'the node closed it' : causeOf(error))
}

function close(client: Client, stream: Duplex): void {
  client.end()
  // The goodbye is sent; the node's answer to it is not waited for.
  if ('destroySoon' in stream && typeof stream.destroySoon === 'function') stream.destroySoon()
}
