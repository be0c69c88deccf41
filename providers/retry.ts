import { setTimeout as sleep } from 'node:timers/promises'

export interface RetryOptions {
  /** The caller's; when it aborts, its reason is thrown. */
  readonly signal: AbortSignal
  /** Milliseconds for all tries together. */
  readonly deadlineMs: number
  /**
   * Milliseconds to wait at least before the next try, `false` when another try is no use. A wait that goes
   * past the deadline is not begun: the failure is thrown at once.
   */
  readonly again: (failure: unknown) => number | false
}

const pausesMs = [250, 1000]

/** Up to three tries. Throws the last failure, or that the deadline has passed. */
export async function retry<T>(
  operation: (signal: AbortSignal) => Promise<T>,
  { signal: outer, deadlineMs, again }: RetryOptions,
): Promise<T> {
  const begun = performance.now()
  const deadline = AbortSignal.timeout(deadlineMs)
  const signal = AbortSignal.any([outer, deadline])
  for (let tries = 0; ; tries++) {
    try {
      outer.throwIfAborted()
      return await operation(signal)
    } catch (failure) {
      outer.throwIfAborted()
      if (deadline.aborted) throw new Error(`no answer within ${deadlineMs / 1000} s`, { cause: failure })
      const pauseMs = pausesMs[tries]
      const waitMs = again(failure)
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
