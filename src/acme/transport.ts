import { Agent, request, type RequestOptions } from 'node:https'
import { causeOf } from '../core/cause.ts'
import { AcmeError } from '../core/errors.ts'
import { printableLine } from '../core/printable.ts'
import { interrupted } from './pace.ts'
import { checkUrl } from './wire.ts'

export interface Call {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly url: string
  /** JSON, already serialized. */
  readonly body?: string | undefined
  /** For messages: `creating the order at ca.example`. */
  readonly step: string
}

export interface Answer {
  readonly status: number
  /** Lower-case names; repeated ones are joined by a comma. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

export interface Transport extends Disposable {
  /**
   * One request. Resolves with every status but redirects, which are refused as foreign hosts are. Throws
   * Unanswered when no whole answer came, AcmeError when another try can't help.
   */
  send(call: Call): Promise<Answer>
}

export interface TransportOptions {
  /** Of the CA in the configuration, for hints. */
  readonly place?: string | undefined
  /** https URL of the directory; its host is the only one that is ever connected to. */
  readonly directory: string
  /** PEM of the only roots trusted; the ones Node.js comes with by default. */
  readonly caBundle?: string | undefined
  readonly requestMs: number
  readonly signal: AbortSignal
}

/** The request may or may not have been acted on. */
export class Unanswered extends AcmeError {}

class TooLarge extends Error {}

const maxBody = 1_000_000

/** The one way to a CA: https alone, connections kept, each request with a deadline and a limit. */
export function createTransport(options: TransportOptions): Transport {
  const { directory, caBundle, requestMs, signal, place = 'acme' } = options
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 8,
    // Said here, so that NODE_TLS_REJECT_UNAUTHORIZED=0 in somebody's environment changes nothing.
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(caBundle === undefined ? {} : { ca: caBundle }),
  })

  return {
    send: async ({ method, url, body, step }) => {
      checkUrl(url, { step, directory })
      if (signal.aborted) throw interrupted(signal)
      const deadline = AbortSignal.timeout(requestMs)
      try {
        const answer = await exchange(
          url,
          { method, agent, signal: AbortSignal.any([signal, deadline]), headers: headersFor(body) },
          body,
        )
        if (answer.status < 300 || answer.status > 399) return answer
      } catch (error) {
        if (signal.aborted) throw interrupted(signal)
        if (error instanceof TooLarge) throw new AcmeError(`${step} failed: the answer is larger than 1 MB`)
        if (deadline.aborted) throw new Unanswered(`${step} failed: no answer within ${requestMs / 1000} s`)
        throw unreachable(error, { step, directory, place, bundled: caBundle !== undefined })
      }
      throw new AcmeError(`${step} failed: the CA sent a redirect, which is never followed`)
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}

function headersFor(body: string | undefined): Record<string, string | number> {
  const common = { 'user-agent': 'certs', 'accept-language': 'en', 'accept-encoding': 'identity' }
  if (body === undefined) return common
  return { ...common, 'content-type': 'application/jose+json', 'content-length': Buffer.byteLength(body) }
}

async function exchange(url: string, options: RequestOptions, body: string | undefined): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (response) => {
      const chunks: Buffer[] = []
      let length = 0
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > maxBody) sent.destroy(new TooLarge())
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        const headers = Object.entries(response.headers).map(([name, value]) => [name, String(value)])
        resolve({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(headers),
          body: Buffer.concat(chunks).toString('utf8'),
        })
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

const trustCodes =
  /^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH|EPROTO)/

function unreachable(
  error: unknown,
  { step, directory, place, bundled }: { step: string; directory: string; place: string; bundled: boolean },
): AcmeError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const said = printableLine(error instanceof Error ? error.message : String(error), { max: 300 })
  if (trustCodes.test(code)) {
    const hint = bundled
      ? `the certificate does not lead to a root in ${place}.caBundle; compare them with the CA`
      : `for a private CA, set ${place}.caBundle to a PEM file with its roots`
    return new AcmeError(`${step} failed: its HTTPS can't be trusted: ${said}`, { cause: error, hint })
  }
  const { hostname, port } = new URL(directory)
  const hint = `see whether this machine reaches it: curl -sSv -o /dev/null https://${hostname}${port && `:${port}`}/`
  return new Unanswered(`${step} failed: ${causeOf(error) || 'the connection broke'}`, { cause: error, hint })
}

/** Whether another try can help: no whole answer came, or the CA is failing or wants us slower. */
export function isRetryable(error: unknown): error is AcmeError {
  if (error instanceof Unanswered) return true
  return (
    error instanceof AcmeError && error.status !== undefined && (error.status >= 500 || error.status === 429)
  )
}
