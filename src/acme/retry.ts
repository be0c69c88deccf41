import { AcmeError } from '../core/errors.ts'
import { backoffMs, type Pace, pause } from './pace.ts'
import { isRetryable } from './transport.ts'

export interface RetryOptions {
  readonly budgetMs: number
  readonly pace: Pace
  readonly signal: AbortSignal
  /** As many as the budget allows by default. */
  readonly maxTries?: number
  /** A status that passes by itself in this place. */
  readonly alsoStatus?: number
}

/**
 * Repeats what may safely be repeated, until it succeeds, fails for good, or would have to wait beyond the budget.
 * The CA's Retry-After is obeyed or, when it is too long, handed to the caller with the error.
 */
export async function retry<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { budgetMs, pace, signal, maxTries = Infinity, alsoStatus } = options
  const deadline = performance.now() + budgetMs
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      const passes = error instanceof AcmeError && error.status !== undefined && error.status === alsoStatus
      if (!passes && !isRetryable(error)) throw error
      if (tries >= maxTries) throw error
      if (error.status === 429 && error.retryAfterMs === undefined) throw error
      const wait = Math.max(backoffMs(tries, pace.random), error.retryAfterMs ?? 0)
      if (performance.now() + wait > deadline) throw error
      await pause(wait, signal)
    }
  }
}
