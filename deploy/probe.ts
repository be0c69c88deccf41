import type { IncomingMessage } from 'node:http'
// node:http as a module loads the whole of fetch with it (15 ms).
import { request } from 'node:https'
import { createSecureContext, type TLSSocket } from 'node:tls'
import { sha256 } from '../src/core/certificate.ts'
import type { Probe } from '../src/core/certificate.ts'
import type { Endpoint, ProbeResult } from '../src/core/node.ts'
import { printableLine } from '../src/core/printable.ts'
import { causeOf } from '../src/core/cause.ts'
import { type Open, secureStream } from './secure-stream.ts'

export interface ProbeOptions {
  readonly open?: Open | undefined
  readonly signal?: AbortSignal | undefined
  /** For all of it, the body included. */
  readonly timeoutMs?: number | undefined
  /** Roots to judge the certificate by, PEM or the word `system`; the judgement is only told. Not judged without. */
  readonly roots?: string | undefined
}

const capBytes = 1024 * 1024

/**
 * Fetches a URL through one endpoint, whatever its name resolves to, as a browser would: SNI and Host are the
 * URL's. Redirects are not followed: 302 is an answer. Never throws.
 */
export async function probe(
  wanted: Probe,
  endpoint: Endpoint,
  options: ProbeOptions = {},
): Promise<ProbeResult> {
  const result = (ok: boolean, said: string): ProbeResult => ({ url: wanted.url, endpoint, ok, said })
  const url = new URL(wanted.url)
  if (url.protocol !== 'https:') return result(false, 'only https URLs can be fetched through an endpoint')
  const timeout = AbortSignal.timeout(options.timeoutMs ?? 10_000)
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
  try {
    const { roots } = options
    // Loading the machine's roots takes longer than the handshake.
    const ca = roots === undefined ? [] : roots === 'system' ? undefined : roots
    const secureContext = createSecureContext({ ca, minVersion: 'TLSv1.2' })
    const name = url.hostname.replace(/^\[|\]$/g, '')
    const socket = await secureStream(endpoint, { name, secureContext, open: options.open, signal })
    try {
      const leafFingerprint = sha256(socket.getPeerCertificate().raw)
      const answer = await get(url, socket, signal)
      const bytes = await bodyLength(answer)
      const said = `${say(answer, bytes)}${roots === undefined ? '' : sayDistrust(socket)}`
      const because = judge(answer, wanted)
      return { ...result(!because, because ? `${said}: ${because}` : said), leafFingerprint }
    } finally {
      socket.destroy()
    }
  } catch (error) {
    return result(false, timeout.aborted ? 'no complete answer in time' : causeOf(error))
  }
}

function get(url: URL, socket: TLSSocket, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request({
      createConnection: () => socket,
      path: `${url.pathname}${url.search}`,
      headers: { host: url.host, 'user-agent': 'certs', accept: '*/*', connection: 'close' },
      signal,
    })
      .once('response', resolve)
      .on('error', reject)
      .end()
  })
}

/** What is past the cap is not read. */
async function bodyLength(answer: IncomingMessage): Promise<number> {
  let bytes = 0
  for await (const piece of answer as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > capBytes) break
  }
  return bytes
}

function judge({ statusCode, headers }: IncomingMessage, wanted: Probe): string | undefined {
  if (statusCode !== wanted.status) return `status ${wanted.status} is wanted`
  const type = headers['content-type'] ?? ''
  if (wanted.contentType === undefined || type.toLowerCase().startsWith(wanted.contentType.toLowerCase()))
    return undefined
  return `content type ${wanted.contentType} is wanted`
}

function say({ statusCode, headers }: IncomingMessage, bytes: number): string {
  const location = headers.location === undefined ? '' : ` to ${headers.location}`
  const type = headers['content-type'] ?? 'no content type'
  return printableLine(`${statusCode}${location} ${type}, ${saySize(bytes)}`)
}

function saySize(bytes: number): string {
  if (bytes > capBytes) return 'over 1 MB'
  return bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`
}

/** A private CA is nothing wrong, so this decides nothing. */
function sayDistrust(socket: TLSSocket): string {
  if (socket.authorized) return ''
  const code = String(socket.authorizationError).replace(/^ERR_TLS_/, '')
  return `, certificate not trusted here (${code.toLowerCase().replaceAll('_', ' ')})`
}
