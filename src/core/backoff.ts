import { dayMs, hourMs, minuteMs, sayInstant } from './duration.ts'
import { sayCount } from './count.ts'

/**
 * Tries of one certificate in a row that led to no version, kept until one does and no CA refuses any more. Instants are
 * ISO 8601.
 */
export interface Attempts {
  /** A try counts from before it begins, so that a run that dies in it has failed. */
  readonly failures: number
  /** When the last one began or failed. */
  readonly at: string
  readonly because: string
  /** What CAs said themselves, by the URL of their directory. */
  readonly refusals?: Readonly<Record<string, Refusal>> | undefined
}

/** The CA refuses before this instant. */
export interface Refusal {
  readonly until: string
  readonly because: string
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
  const because = 'the run did not come to its end'
  return { failures, at: now.toISOString(), because, ...refusalsAt(before, now) }
}

/** The try failed. */
export function endAttempt(began: Attempts, now: Date, because: string): Attempts {
  return { failures: began.failures, at: now.toISOString(), because, ...refusalsAt(began, now) }
}

/** A version came of the try; undefined when there is nothing left to remember. */
export function forgetFailures(began: Attempts, now: Date): Attempts | undefined {
  const left = refusalsAt(began, now)
  return left.refusals && { failures: 0, at: now.toISOString(), because: 'a version came of it', ...left }
}

/** The try was interrupted: it has not failed, but what CAs said in it stands. */
export function undoAttempt(before: Attempts | undefined, began: Attempts, now: Date): Attempts | undefined {
  return before ? { ...before, ...refusalsAt(began, now) } : forgetFailures(began, now)
}

/** `waitMs`: what the CA's Retry-After said. */
export function addRefusal(
  attempts: Attempts,
  directory: string,
  { because, waitMs, now }: { readonly because: string; readonly waitMs: number; readonly now: Date },
): Attempts {
  const until = new Date(now.getTime() + Math.min(waitMs, longestRefusalMs)).toISOString()
  return { ...attempts, refusals: { ...attempts.refusals, [directory]: { until, because } } }
}

/** Those that still count. */
function refusalsAt(attempts: Attempts | undefined, now: Date): Pick<Attempts, 'refusals'> {
  const left = Object.entries(attempts?.refusals ?? {}).filter(([, { until }]) => isAhead(until, now))
  return left.length === 0 ? {} : { refusals: Object.fromEntries(left) }
}

/** What is further away than any refusal that is written was dated by a clock that was wrong. */
function isAhead(until: string, now: Date): boolean {
  const wait = Date.parse(until) - now.getTime()
  return wait > 0 && wait <= longestRefusalMs
}

/** Whether a CA said that it refuses this certificate. It holds for a person, too. */
export function judgeRefusal(
  attempts: Attempts | undefined,
  { directory, now }: { readonly directory: string; readonly now: Date },
): Parking | undefined {
  const refusal = attempts?.refusals?.[directory]
  if (!refusal || !isAhead(refusal.until, now)) return undefined
  const { until, because } = refusal
  return { until, by: 'CA', because: `the CA refuses until then: ${because}` }
}

export interface Patience {
  readonly now: Date
  /** A person asked for it, who need not wait for our own pauses. */
  readonly insistent: boolean
  /** When the newest stored version ends; undefined where there is none. */
  readonly notAfter: string | undefined
}

/** Whether the next try has to wait, by whichever CA. */
export function judgeAttempts(
  attempts: Attempts | undefined,
  { now, insistent, notAfter }: Patience,
): Parking | undefined {
  // A failure in the future was dated by a clock that was wrong: no wait can be counted from it.
  if (!attempts || insistent || attempts.failures === 0 || Date.parse(attempts.at) > now.getTime()) {
    return undefined
  }
  const { failures, at, because } = attempts
  const until = Date.parse(at) + pauseAfter(attempts, notAfter)
  if (until <= now.getTime()) return undefined
  const tries =
    failures === 1 ? 'the last attempt' : `${sayCount(failures, 'attempt')} in a row, the last one`
  return {
    until: new Date(until).toISOString(),
    by: 'pause',
    because: `${tries} at ${sayInstant(at)} failed: ${because}`,
  }
}
