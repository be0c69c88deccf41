import { APIError } from 'cloudflare/error'
import { ProviderError } from '../src/core/errors.ts'
import { printableLine } from '../src/core/printable.ts'
import { retryAfterMs } from './api-failure.ts'
import { reasonOf } from './retry.ts'

/** Milliseconds to wait before another try, `false` when it is no use (see retry.ts). */
export function again(failure: unknown): number | false {
  if (!(failure instanceof APIError)) return false
  // No status: no answer came.
  if (failure.status === undefined || failure.status >= 500 || failure.status === 408) return 0
  return failure.status === 429 ? retryAfterMs(failure.headers?.get('retry-after')) : false
}

/** For `catch`: an API error with this code is success. */
export function unless(code: number): (failure: unknown) => void {
  return (failure) => {
    if (!(failure instanceof APIError) || !failure.errors.some((each) => each.code === code)) throw failure
  }
}

export function asProviderError(what: string, zone: string, cause: unknown): ProviderError {
  if (!(cause instanceof APIError)) {
    return new ProviderError(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  const { status, errors } = cause
  const words = errors
    .map(({ message, code }) => `${printableLine(message ?? 'no message')} (${code})`)
    .join(', ')
  if (status === undefined) return new ProviderError(`${what}: no answer: ${reasonOf(cause)}`)
  if (status === 401 || status === 403 || (status === 400 && words.includes('header'))) {
    return new ProviderError(`${what}: the API token is refused: ${status} ${words}`, {
      hint: tokenHint(zone),
    })
  }
  const hint = status === 429 ? 'the API limits this account: wait some minutes and run again' : undefined
  return new ProviderError(`${what}: ${status} ${words || 'without a reason'}`, { hint })
}

export function tokenHint(zone: string): string {
  return `give apiToken a token with Zone / Zone / Read and Zone / DNS / Edit for ${zone}: https://dash.cloudflare.com/profile/api-tokens`
}
