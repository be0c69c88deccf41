import { setTimeout as sleep } from 'node:timers/promises'
import {
  createSecureContext,
  type DetailedPeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls'
import { readLeaf, sha256 } from '../src/core/certificate.ts'
import type { Endpoint, Node, Served } from '../src/core/node.ts'
import { judgeServed, type Wanted } from '../src/core/served.ts'
import { causeOf } from '../src/core/cause.ts'
import { type Open, secureStream } from './secure-stream.ts'

export interface HandshakeOptions {
  /** For endpoints `via: 'ssh'`: a stream from the node. */
  readonly open?: Open | undefined
  readonly signal?: AbortSignal | undefined
  /** For all of it: TCP and TLS. */
  readonly timeoutMs?: number | undefined
}

/**
 * One fresh handshake, TLS 1.2 or 1.3, without session resumption: a resumed one would show the certificate of
 * the session's beginning. Never throws: what goes wrong is `error`.
 *
 * The chain is what was sent, linked from issuer to issuer; no store completes it. node:tls shows no more: the
 * order of sending and certificates that belong to no link are not seen, as by clients, who do not mind either.
 */
export async function handshake(
  endpoint: Endpoint,
  name: string,
  options: HandshakeOptions = {},
): Promise<Served> {
  try {
    const socket = await secureStream(endpoint, { name, secureContext: context(), ...options })
    try {
      return { endpoint, name, ...certificatesOf(socket) }
    } finally {
      socket.destroy()
    }
  } catch (error) {
    return { endpoint, name, error: causeOf(error) }
  }
}

export type Verified =
  | { readonly ok: true; readonly served: readonly Served[] }
  | { readonly ok: false; readonly served: readonly Served[]; readonly because: string }

/** What every handshake with the node shall show, and the names to ask for. */
export interface WantedOfNode extends Wanted {
  readonly names: readonly string[]
}

export interface VerifyOptions extends HandshakeOptions {
  readonly endpoints: readonly Endpoint[]
  /** With each endpoint for each name, side by side: they meet several of nginx's workers. */
  readonly handshakes?: number
  readonly deadlineMs?: number
}

/**
 * Looks until every handshake of a whole round is right, or the deadline has passed. After a reload nginx
 * serves the old certificate, then a mixture, and the new one alone from about 126 ms on; so a round that is
 * right may just have been lucky. It is the proof when it ended late enough, and nothing else was seen in the
 * round before it. (A handshake ends two round trips after its beginning, and the worker that answers takes it
 * two round trips after the reload: from far away, the first round is late enough.)
 */
export async function verify(_node: Node, wanted: WantedOfNode, options: VerifyOptions): Promise<Verified> {
  const { endpoints, handshakes = 3, deadlineMs = 30_000, signal } = options
  const questions = endpoints.flatMap((endpoint) =>
    wanted.names.flatMap((name) => Array.from({ length: handshakes }, () => ({ endpoint, name }))),
  )
  if (questions.length === 0)
    return { ok: false, served: [], because: 'there is no endpoint and name to verify' }
  const start = performance.now()
  const elapsed = () => performance.now() - start
  let before: string | undefined
  for (let pauseMs = 25; ; pauseMs = Math.min(pauseMs * 2, 250)) {
    // The last round gets its time too: cut short, it would say "no answer" of a node that gives one.
    const leftMs = Math.max(lastRoundMs, deadlineMs - elapsed())
    const timeoutMs = Math.min(leftMs, options.timeoutMs ?? handshakeTimeoutMs)
    const served = await askAll(questions, { ...options, timeoutMs })
    const because = served.map((one) => judgeServed(one, wanted)).find((reason) => reason !== undefined)
    const right = because === undefined
    if (right && before === undefined && elapsed() >= mixtureMs) return { ok: true, served }
    if (signal?.aborted || (!right && elapsed() + pauseMs >= deadlineMs)) {
      return { ok: false, served, because: because ?? 'interrupted' }
    }
    before = because
    await sleep(right ? Math.max(pauseMs, mixtureMs - elapsed()) : pauseMs, undefined, { signal }).catch(
      () => undefined,
    )
  }
}

/** How long after a reload nginx may serve either certificate, with some room. */
const mixtureMs = 150
const handshakeTimeoutMs = 10_000
const lastRoundMs = 2_000
/** Of nginx's default 512 connections for each worker, users need the most. */
const sideBySide = 24

type Question = Pick<Served, 'endpoint' | 'name'>

async function askAll(questions: readonly Question[], options: HandshakeOptions): Promise<Served[]> {
  const served: Served[] = []
  const waiting = questions.entries()
  const askOn = async () => {
    for (const [index, { endpoint, name }] of waiting)
      served[index] = await handshake(endpoint, name, options)
  }
  await Promise.all(Array.from({ length: Math.min(sideBySide, questions.length) }, askOn))
  return served
}

let bare: SecureContext | undefined

/** Without any root, so that the chain seen is the chain sent, and no time goes into loading the store. */
function context(): SecureContext {
  return (bare ??= createSecureContext({ ca: [], minVersion: 'TLSv1.2' }))
}

function certificatesOf(socket: TLSSocket): Pick<Served, 'leaf' | 'chain'> {
  const first = socket.getPeerCertificate(true)
  // An empty object when there is none.
  if (!('raw' in first)) return {}
  const chain: string[] = []
  const seen = new Set<DetailedPeerCertificate>([first])
  // A self-signed certificate is its own issuer.
  for (let next = first.issuerCertificate; next && !seen.has(next); next = next.issuerCertificate) {
    seen.add(next)
    chain.push(sha256(next.raw))
  }
  return { leaf: readLeaf(first.raw), chain }
}
