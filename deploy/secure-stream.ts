import { addAbortListener } from 'node:events'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect, type SecureContext, type TLSSocket } from 'node:tls'
import type { Endpoint } from '../src/core/node.ts'
import { dial } from './dial.ts'
import { startTls } from './starttls.ts'

/** A TCP stream from the node itself to address:port. */
export type Open = (address: string, port: number) => Promise<Duplex>

export interface SecureStreamOptions {
  /** The SNI. */
  readonly name: string
  readonly secureContext: SecureContext
  readonly open?: Open | undefined
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
}

/**
 * TLS with one endpoint, whatever certificate it has: the callers compare it with what they want, byte for
 * byte, which is more than a verification would say; and it must be possible to see an expired one.
 */
export async function secureStream(endpoint: Endpoint, options: SecureStreamOptions): Promise<TLSSocket> {
  const { name, secureContext, signal, timeoutMs = 10_000 } = options
  const end = performance.now() + timeoutMs
  const raw = await rawStream(endpoint, { ...options, timeoutMs })
  let socket: TLSSocket | undefined
  const give = (reason: unknown) =>
    (socket ?? raw).destroy(reason instanceof Error ? reason : new Error(String(reason)))
  const timer = setTimeout(
    () => give(new Error(`no answer to the ${socket ? 'TLS handshake' : 'wish for TLS'}`)),
    Math.max(0, end - performance.now()),
  )
  using _ = signal && addAbortListener(signal, () => give(new Error('interrupted')))
  try {
    if (endpoint.starttls) await startTls(raw, endpoint.starttls)
    socket = connect({
      socket: raw,
      // RFC 6066 section 3: no address is a name.
      servername: isIP(name) ? '' : name,
      secureContext,
      rejectUnauthorized: false,
    })
    await secured(socket)
    return socket
  } catch (error) {
    raw.destroy()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

function secured(socket: TLSSocket): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    socket
      .once('secureConnect', resolve)
      // It stays: an error after the handshake is nobody's news, but must not end the process.
      .on('error', reject)
      .once('close', () => reject(new Error('it closed the connection during the TLS handshake')))
  })
}

async function rawStream(
  endpoint: Endpoint,
  options: SecureStreamOptions & { timeoutMs: number },
): Promise<Duplex> {
  const { address, port, via } = endpoint
  if (via === 'direct') return dial(address, port, options)
  if (!options.open) throw new Error('there is no SSH connection to go through')
  return options.open(address, port)
}
