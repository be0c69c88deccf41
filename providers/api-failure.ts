import { ProviderError } from '../src/core/errors.ts'
import { printableLine } from '../src/core/printable.ts'
import { messageOf } from './retry.ts'

/** A request that was refused, or got no answer: then `status` is undefined and what was done is unknown. */
export class ApiFailure extends Error {
  readonly status: number | undefined
  /** How long the service asks to wait. */
  readonly waitMs: number

  constructor(status: number | undefined, { words, waitMs }: { words: string; waitMs: number }) {
    super(words)
    this.status = status
    this.waitMs = waitMs
  }
}

/** The error for a person. `failed` is the sentence so far: what failed, at which service. */
export function failureOf(
  failed: string,
  cause: unknown,
  { service, credential }: { service: string; credential: { what: string; hint: string } },
): ProviderError {
  if (cause instanceof TypeError) {
    return new ProviderError(`${failed}: its answer is not what it documents`, { cause })
  }
  if (!(cause instanceof ApiFailure)) return new ProviderError(`${failed}: ${messageOf(cause)}`, { cause })
  const { status, message, waitMs } = cause
  if (status === undefined) return new ProviderError(`${failed}: no answer: ${message}`)
  if (status === 401 || status === 403) {
    return new ProviderError(`${failed}: ${credential.what} is refused: ${status} ${message}`, {
      hint: credential.hint,
    })
  }
  const wait = waitMs > 0 ? `${Math.ceil(waitMs / 60_000)} min` : 'some minutes'
  const hint = status === 429 ? `${service} limits this account: wait ${wait} and run again` : undefined
  return new ProviderError(`${failed}: ${status} ${message}`, { hint })
}

/** Retry-After (RFC 9110 section 10.2.3) as milliseconds from now; 0 when there is none that can be read. */
export function retryAfterMs(header: string | null | undefined, now: number = Date.now()): number {
  const seconds = Number(header ?? 0)
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header ?? '') - now
  return wait > 0 ? wait : 0
}

/** What the body of a refusal says: the first text under the names that APIs use for it. */
export function wordsOf(status: number, body: string): string {
  if (status >= 300 && status < 400) return 'a redirect, which is not followed'
  if (/^\s*</.test(body)) return 'with a page instead of an answer'
  const words = find(parsed(body)) ?? body
  return printableLine(words.trim(), { max: 300 }) || 'without a reason'
}

const telling = ['message', 'detail', 'error', 'errors', 'cause', 'non_field_errors', 'records']

function find(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.flatMap((each) => find(each) ?? []).join(', ') || undefined
  if (typeof value !== 'object' || value === null) return undefined
  const found = telling.map((key) => find((value as Record<string, unknown>)[key]))
  return found.find((each) => each !== undefined)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
