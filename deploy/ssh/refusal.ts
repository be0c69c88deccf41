import type { NodeError } from '../../src/core/errors.ts'
import { causeOf } from '../../src/core/cause.ts'
import { hostKeyAlgorithms, type KnownHost } from '../known-hosts.ts'
import type { Verifier } from './host-key.ts'
import { type Hop, hopError, placeOf } from './hop.ts'
import { hintOfConversation } from './unreached.ts'

/** The connection was lost before the handshake: worth another try. */
export class Dropped extends Error {
  readonly said: NodeError

  constructor(said: NodeError) {
    super(said.message)
    this.said = said
  }
}

/** What ssh2 says of a connection that ends before it has begun. */
export const lostEarly = 'Connection lost before handshake'

export interface Failure {
  /** ssh2's error. */
  readonly cause: unknown
  readonly verifier: Verifier
  /** Whether the key exchange was complete. */
  readonly keyed: boolean
  readonly interrupted: boolean
  readonly known: readonly KnownHost[]
}

/** Turns ssh2's error into one that says where, why and what next. */
export function whyNoLogin(hop: Hop, failure: Failure): NodeError | Dropped {
  const { cause, verifier, keyed, interrupted, known } = failure
  const refusal = verifier.refusal()
  if (refusal) return refusal
  const place = placeOf(hop)
  if (interrupted)
    return hopError(hop, 'connect', { message: `connect to ${place} failed: interrupted`, cause })
  const { message, level, code } = cause as Error & { level?: string; code?: string }
  if (level === 'client-authentication' || /too many authentication failures/i.test(message)) {
    return refusedLogin(hop, cause)
  }
  if (level === 'agent') return noAgent(hop, cause)
  if (level === 'client-timeout') {
    const what = keyed ? 'login' : 'ssh handshake'
    return hopError(hop, keyed ? 'authenticate' : 'connect', {
      message: `${what} at ${place} failed: no answer`,
      hint: `it takes connections but does not answer, as a frozen or overloaded machine; where it stops: ssh -v -p ${hop.target.port} ${hop.target.user}@${hop.target.address} true`,
      cause,
    })
  }
  if (!keyed && (message === lostEarly || code === 'ECONNRESET' || code === 'EPIPE')) {
    return new Dropped(dropped(hop, cause))
  }
  if (message.includes('no matching')) return nothingInCommon(hop, { message, known })
  const step = keyed ? 'authenticate' : 'connect'
  const what = keyed ? 'login' : 'ssh handshake'
  const hint = hintOfConversation(hop, keyed)
  return hopError(hop, step, { message: `${what} at ${place} failed: ${causeOf(cause)}`, hint, cause })
}

function refusedLogin(hop: Hop, cause: unknown): NodeError {
  const { user, identity, port, address } = hop.target
  const offered = identity === 'agent' ? "the agent's keys" : identity
  const many = /too many/i.test(String(cause)) ? ': too many keys in the agent' : ''
  const copy = identity === 'agent' ? 'ssh-copy-id' : `ssh-copy-id -i ${identity}`
  return hopError(hop, 'authenticate', {
    message: `login as ${user} at ${placeOf(hop)} with ${offered} was refused${many}`,
    hint: many ? 'set ssh.identity to the one key file' : `${copy} -p ${port} ${user}@${address}`,
    cause,
  })
}

function noAgent(hop: Hop, cause: unknown): NodeError {
  return hopError(hop, 'authenticate', {
    message: `login at ${placeOf(hop)} failed: the ssh agent does not work: ${causeOf(cause)}`,
    hint: 'ssh-add -l   shows whether it answers; SSH_AUTH_SOCK says where it is',
    cause,
  })
}

function dropped(hop: Hop, cause: unknown): NodeError {
  return hopError(hop, 'connect', {
    message: `ssh handshake at ${placeOf(hop)} failed: it drops connections before they begin (4 tries)`,
    hint: 'see MaxStartups and PerSourcePenalties in its sshd_config, and whether port and address are right',
    cause,
  })
}

function nothingInCommon(
  hop: Hop,
  { message, known }: { message: string; known: readonly KnownHost[] },
): NodeError {
  const place = placeOf(hop)
  if (!message.includes('host key')) {
    const what = message.replace(/^.*no matching /i, '')
    return hopError(hop, 'connect', {
      message: `ssh handshake at ${place} failed: it offers no ${what} that is safe`,
      hint: 'AES-GCM or AES-CTR with SHA-2 and an ECDH or SHA-2 Diffie-Hellman key exchange are needed',
    })
  }
  const asked = hostKeyAlgorithms(known, hop.target).join(', ')
  return hopError(hop, 'connect', {
    message: `host key of ${place} refused: it has none of the types asked for (${asked})`,
    hint: [
      'ssh-rsa with SHA-1 is never accepted; ssh-keygen -A on the machine makes the modern types',
      `if known_hosts is out of date: certs nodes trust ${hop.node}`,
    ],
  })
}
