import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { causeOf } from '../../src/core/cause.ts'
import { dial } from '../dial.ts'
import { type Hop, hopError, placeOf } from './hop.ts'
import type { Login, LoginOptions } from './login.ts'
import { Dropped } from './refusal.ts'
import { hintOfConnect } from './unreached.ts'

export type ReachOptions = Pick<LoginOptions, 'timeouts' | 'random' | 'signal'>

export interface Reach extends ReachOptions {
  readonly hop: Hop
  /** The hop before, that this one is reached through. */
  readonly before: Login | undefined
}

/**
 * Opens a TCP stream to a hop's sshd and uses it. A node that drops it before the handshake is busy (sshd's
 * MaxStartups): that is tried three times more, since nothing has been sent but a greeting; all else never is.
 */
export async function withStream<Result>(
  to: Reach,
  use: (stream: Duplex) => Promise<Result>,
): Promise<Result> {
  for (let pauseMs = 200; ; pauseMs *= 2) {
    const stream = await open(to)
    try {
      return await use(stream)
    } catch (error) {
      stream.destroy()
      if (!(error instanceof Dropped)) throw error
      if (pauseMs > 800 || to.signal.aborted) throw error.said
      await sleep(pauseMs * (0.5 + to.random()), undefined, { signal: to.signal }).catch(() => undefined)
    }
  }
}

async function open({ hop, before, timeouts, signal }: Reach): Promise<Duplex> {
  const { address, port } = hop.target
  const through = before ? ` through ${placeOf(before.hop)}` : ''
  try {
    if (before) return await forward(before, { address, port, timeoutMs: timeouts.connect })
    return await dial(address, port, { timeoutMs: timeouts.connect, signal })
  } catch (error) {
    const hint = before ? hintOfForward(error) : hintOfConnect(hop, error)
    throw hopError(hop, 'connect', {
      message: `connect to ${placeOf(hop)}${through} failed: ${signal.aborted ? 'interrupted' : causeOf(error)}`,
      hint: signal.aborted ? undefined : hint,
      cause: error,
    })
  }
}

export interface ForwardTo {
  readonly address: string
  readonly port: number
  readonly timeoutMs: number
}

/** A TCP stream from where `login` is to address:port. Throws with the reason sshd gives. */
export function forward(login: Login, { address, port, timeoutMs }: ForwardTo): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    let late = false
    const timer = setTimeout(() => {
      late = true
      reject(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }))
    }, timeoutMs)
    // Throws when the connection is gone already; a promise's executor may.
    login.client.forwardOut('127.0.0.1', 0, address, port, (error, stream) => {
      clearTimeout(timer)
      if (error) reject(refusedForward(error))
      else if (late) stream.destroy()
      else resolve(stream)
    })
  })
}

/** RFC 4254 section 5.1: 1 is "administratively prohibited", all else tells of the connection itself. */
function refusedForward(error: Error & { reason?: unknown }): Error {
  const why = error.message.replace('(SSH) Channel open failure: ', '')
  const forbidden = error.reason === 1 ? 'its sshd forbids it' : why.charAt(0).toLowerCase() + why.slice(1)
  return Object.assign(new Error(forbidden), { forbidden: error.reason === 1 })
}

export function hintOfForward(error: unknown): string | undefined {
  const { forbidden } = error as { forbidden?: boolean }
  return forbidden
    ? 'allow it: AllowTcpForwarding local in its sshd_config, and no PermitOpen or restrict in the way (after certs nodes setup: the same with --forward)'
    : undefined
}
