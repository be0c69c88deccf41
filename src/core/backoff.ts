import { dayMs, hourMs, minuteMs, sayInstant } from './duration.ts'
import { sayCount } from './count.ts'

/** Tries of one certificate in a row that led to no version, kept until one does. Instants are ISO 8601. */
export interface Attempts {
  /** A try counts from before it begins, so that a run that dies in it has failed. */
  readonly failures: number
  /** When the last one began or failed. */
  readonly at: string
  readonly because: string
  /** The CA's own word: it refuses before this instant. */
  readonly refusedUntil?: string | undefined
}

/** Why a version that is due is not issued now. */
export interface Parking {
  readonly until: string
  readonly because: string
  /** Our own pauses give way to a person; what the CA said, and its limits, do not. */
  readonly by: 'pause' | 'CA' | 'limit'
}

/** Pauses after the first, second and third failure in a row; from then on it is tried daily. */
const pauses = [minuteMs, 10 * minuteMs, 100 * minuteMs] as const

/**
 * How long to wait after so many failures in a row. Near the end of what is in use a day may be too long, so never longer
 * than a tenth of the time to it, or an hour: a CA that is back three hours before is asked in time. What is over
 * becomes less urgent again as time goes by.
 */
function pauseAfter({ failures, at }: Attempts, notAfter: string | undefined): number {
  const pause = pauses[failures - 1] ?? dayMs
  if (notAfter === undefined) return pause
  const fromEnd = Math.abs(Date.parse(notAfter) - Date.parse(at))
  return Math.min(pause, Math.max(fromEnd / 10, hourMs))
}

/**
 * A CA that says "in a year" must not let a certificate expire in silence: after a week, the longest window of any
 * known limit, it is asked again.
 */
export const longestRefusalMs = 7 * dayMs

/** The failure that stands while a try is made. */
export function beginAttempt(before: Attempts | undefined, now: Date): Attempts {
  const failures = (before?.failures ?? 0) + 1
  return { failures, at: now.toISOString(), because: 'the run did not come to its end' }
}

/** The try failed. `retryAfterMs`: what the CA's Retry-After said. */
export function endAttempt(
  { failures }: Attempts,
  now: Date,
  { because, retryAfterMs }: { readonly because: string; readonly retryAfterMs: number | undefined },
): Attempts {
  const failed = { failures, at: now.toISOString(), because }
  if (retryAfterMs === undefined) return failed
  const wait = Math.min(retryAfterMs, longestRefusalMs)
  return { ...failed, refusedUntil: new Date(now.getTime() + wait).toISOString() }
}

export interface Patience {
  readonly now: Date
  /** A person asked for it, who need not wait for our own pauses. */
  readonly insistent: boolean
  /** When the newest stored version ends; undefined where there is none. */
  readonly notAfter: string | undefined
}

/** Whether the next try has to wait. */
export function judgeAttempts(
  attempts: Attempts | undefined,
  { now, insistent, notAfter }: Patience,
): Parking | undefined {
  // A failure in the future was dated by a clock that was wrong: no wait can be counted from it.
  if (!attempts || Date.parse(attempts.at) > now.getTime()) return undefined
  const { failures, at, because, refusedUntil } = attempts
  const refused = Date.parse(refusedUntil ?? at)
  const paused = insistent ? 0 : Date.parse(at) + pauseAfter(attempts, notAfter)
  const until = Math.max(refused, paused)
  if (until <= now.getTime()) return undefined
  const instant = new Date(until).toISOString()
  if (refused >= paused) return { until: instant, by: 'CA', because: `the CA refuses until then: ${because}` }
  const tries =
    failures === 1 ? 'the last attempt' : `${sayCount(failures, 'attempt')} in a row, the last one`
  return { until: instant, by: 'pause', because: `${tries} at ${sayInstant(at)} failed: ${because}` }
}
