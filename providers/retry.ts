import { setTimeout as sleep } from 'node:timers/promises'
import { printableLine } from '../src/core/printable.ts'

export interface RetryOptions {
  /** The caller's; when it aborts, its reason is thrown. */
  readonly signal: AbortSignal
  /** Milliseconds for all tries together. */
  readonly deadlineMs: number
  /**
   * Milliseconds to wait at least before the next try, `false` when another try is no use. A wait of 1 s or
   * more is one that the other side asked for, and does not count as one of the tries. A wait that goes past
   * the deadline is not begun: the failure is thrown at once.
   */
  readonly again: (failure: unknown) => number | false
}

const pausesMs = [250, 1000]
const askedForMs = 1000

/** Up to three tries, besides those that the other side asked to wait for. Throws the last failure, or that the deadline has passed. */
export async function retry<T>(
  operation: (signal: AbortSignal) => Promise<T>,
  { signal: outer, deadlineMs, again }: RetryOptions,
): Promise<T> {
  const begun = performance.now()
  const deadline = AbortSignal.timeout(deadlineMs)
  const signal = AbortSignal.any([outer, deadline])
  let tries = 0
  for (;;) {
    try {
      outer.throwIfAborted()
      return await operation(signal)
    } catch (failure) {
      outer.throwIfAborted()
      if (deadline.aborted) throw new Error(`no answer within ${deadlineMs / 1000} s`, { cause: failure })
      const waitMs = again(failure)
      const pauseMs = waitMs !== false && waitMs >= askedForMs ? 0 : pausesMs[tries++]
      if (pauseMs === undefined || waitMs === false) throw failure
      const longest = Math.max(pauseMs, waitMs)
      if (performance.now() - begun + longest > deadlineMs) throw failure
      await sleep(longest, undefined, { signal: outer }).catch(() => outer.throwIfAborted())
    }
  }
}

export function messageOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure)
}

/** fetch says `fetch failed`; what happened is in its cause. */
export function reasonOf(failure: unknown): string {
  let deepest = failure
  while (deepest instanceof Error && deepest.cause instanceof Error) deepest = deepest.cause
  return printableLine(deepest instanceof Error ? deepest.message || deepest.name : String(deepest))
}
