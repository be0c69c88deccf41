import type { Leaf } from './certificate.ts'
import { sha256 } from './certificate.ts'
import { sayInstant } from './duration.ts'

/** When the CA suggests to renew a certificate (RFC 9773 section 4.2). Instants are ISO 8601, `start` before `end`. */
export interface Suggestion {
  readonly start: string
  readonly end: string
  /** Where the CA says why. */
  readonly explanationUrl?: string | undefined
}

/**
 * Reads a renewalInfo object. Undefined for what can't be meant: no dates, an end that is not after the start (section
 * 4.2), or a start when the certificate is over already.
 */
export function readSuggestion(value: unknown, leaf: Pick<Leaf, 'notAfter'>): Suggestion | undefined {
  const { suggestedWindow, explanationURL } = fieldsOf(value)
  const window = fieldsOf(suggestedWindow)
  const [start, end] = [instantOf(window['start']), instantOf(window['end'])]
  if (start === undefined || end === undefined || end <= start || start >= Date.parse(leaf.notAfter))
    return undefined
  const explanationUrl = urlOf(explanationURL)
  return {
    start: new Date(start).toISOString(),
    end: new Date(end).toISOString(),
    ...(explanationUrl === undefined ? {} : { explanationUrl }),
  }
}

/**
 * The instant in the window, equally likely anywhere in it, so that not all renew at once (section 4.2). It is drawn by
 * the leaf's fingerprint, so the same window gives the same instant to every run, and a plan the one that is applied.
 */
export function chooseInstant({ start, end }: Suggestion, { fingerprint }: Pick<Leaf, 'fingerprint'>): Date {
  const share = Number.parseInt(sha256(`${fingerprint} ${start} ${end}`).slice(0, 12), 16) / 2 ** 48
  const from = Date.parse(start)
  return new Date(Math.floor(from + (Date.parse(end) - from) * share))
}

/** `the CA suggests its renewal from 2026-11-20 10:00 UTC to 2026-11-21 10:00 UTC, see https://ca.example/why`. */
export function saySuggestion({ start, end, explanationUrl }: Suggestion): string {
  const why = explanationUrl === undefined ? '' : `, see ${explanationUrl}`
  return `the CA suggests its renewal from ${sayInstant(start)} to ${sayInstant(end)}${why}`
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}

/** RFC 3339; Date.parse alone takes much else for a date. */
function instantOf(value: unknown): number | undefined {
  if (
    typeof value !== 'string' ||
    !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i.test(value)
  ) {
    return undefined
  }
  const instant = Date.parse(value)
  return Number.isNaN(instant) ? undefined : instant
}

function urlOf(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 500 || !/^https?:\/\//.test(value)) return undefined
  // Written by the URL parser, so without a character that a terminal would obey.
  return URL.parse(value)?.href
}
