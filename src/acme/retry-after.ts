const longestMs = 366 * 24 * 3_600_000

/**
 * Milliseconds to wait by a Retry-After header (RFC 9110 section 10.2.3): seconds, or a date, which is taken
 * against the answer's own Date header, so that a wrong clock here does no harm. A date in the past is 0; what is
 * neither, as a negative number, is undefined. Never more than a year.
 */
export function retryAfterMs(
  headers: { readonly 'retry-after'?: string | undefined; readonly date?: string | undefined },
  now: Date,
): number | undefined {
  const text = headers['retry-after']?.trim()
  if (text === undefined || text === '' || text.length > 400) return undefined
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, longestMs)
  // Date.parse takes `-5` and `1.5` for dates.
  if (!/^[A-Za-z]{3}/.test(text)) return undefined
  const at = Date.parse(text)
  if (Number.isNaN(at)) return undefined
  const answered = Date.parse(headers.date ?? '')
  const from = Number.isNaN(answered) ? now.getTime() : answered
  return Math.min(Math.max(at - from, 0), longestMs)
}
