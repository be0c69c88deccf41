import { ProviderError } from '../src/core/errors.ts'
import { printableLine } from '../src/core/printable.ts'
import { ApiFailure, failureOf, retryAfterMs, wordsOf } from './api-failure.ts'
import { reasonOf, retry } from './retry.ts'

export interface ApiOptions {
  /** Who is asked, for messages: `Gandi`. */
  readonly service: string
  /** Without a slash at the end; see api-url.ts. */
  readonly url: string
  /** Sent with every request. Their values never appear in an error. */
  readonly headers: Readonly<Record<string, string>>
  /** What a 401 or 403 is about (`the API token`), and the way out. */
  readonly credential: { readonly what: string; readonly hint: string }
  /** Milliseconds for all that one method of the provider does; a minute unless given. */
  readonly deadlineMs?: number
  /** Statuses that pass by themselves, besides 408, 429 and 5xx. */
  readonly passing?: readonly number[]
  /** Whether what a 2xx answer says is of no interest. */
  readonly mute?: true
}

/** One request. Resolves with the JSON of a 2xx answer; throws ApiFailure. */
export type Call = <T>(method: string, path: string, body?: object) => Promise<T>

export interface Api {
  /**
   * Does one thing, and does it again from the start when a request fails in passing: so `operation` looks
   * before it adds. `what` begins the message: `adding TXT NAME`. Throws ProviderError.
   */
  run<T>(what: string, signal: AbortSignal, operation: (call: Call) => Promise<T>): Promise<T>
}

const requestMs = 15_000
const longestAnswer = 4 << 20

/** JSON over HTTP with deadlines, retries and errors that name the service; follows no redirects. */
export function createApi(options: ApiOptions): Api {
  const { service, url, headers, deadlineMs = 60_000, passing = [], mute } = options
  const secrets = Object.values(headers).flatMap((value) => [value, value.split(' ').at(-1) ?? value])

  async function request(signal: AbortSignal, method: string, path: string, body?: object): Promise<unknown> {
    const each = AbortSignal.any([signal, AbortSignal.timeout(requestMs)])
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        accept: 'application/json',
        ...(body && { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body ? JSON.stringify(body) : null,
      redirect: 'manual',
      signal: each,
    }).catch(noAnswer)
    const text = await readText(response).catch(noAnswer)
    if (response.ok) return text === '' || mute ? undefined : parse(text)
    throw new ApiFailure(response.status, {
      words: wordsOf(response.status, redact(text)),
      waitMs: retryAfterMs(response.headers.get('retry-after')),
    })
  }

  function redact(text: string): string {
    return secrets.reduce((shown, secret) => shown.replaceAll(secret, '[secret]'), text)
  }

  function again(failure: unknown): number | false {
    if (!(failure instanceof ApiFailure)) return false
    const { status, waitMs } = failure
    if (status === 429) return Math.max(waitMs, 1000)
    return status === undefined || status >= 500 || status === 408 || passing.includes(status) ? 0 : false
  }

  return {
    async run(what, signal, operation) {
      try {
        const attempt = (each: AbortSignal) =>
          operation((method, path, body) => request(each, method, path, body) as Promise<never>)
        return await retry(attempt, { signal, deadlineMs, again })
      } catch (failure) {
        signal.throwIfAborted()
        if (failure instanceof ProviderError) throw failure
        throw failureOf(`${what} at ${service} failed`, failure, options)
      }
    },
  }
}

/** For `catch`: with this status, the answer is that there is none. */
export function unless(...statuses: readonly number[]): (failure: unknown) => undefined {
  return (failure) => {
    if (failure instanceof ApiFailure && statuses.includes(failure.status ?? 0)) return undefined
    throw failure
  }
}

function noAnswer(cause: unknown): never {
  throw new ApiFailure(undefined, { words: reasonOf(cause), waitMs: 0 })
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes as Uint8Array, { stream: true })
    if (text.length > longestAnswer) throw new Error('the answer is longer than 4 MB')
  }
  return text
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A proxy or a portal in between: what was done is unknown, so it is like no answer.
    throw new ApiFailure(undefined, {
      words: `an answer that is no JSON: ${printableLine(text, { max: 80 })}`,
      waitMs: 0,
    })
  }
}
