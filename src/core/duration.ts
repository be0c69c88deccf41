const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

export const minuteMs = units.m
export const hourMs = units.h
export const dayMs = units.d

/** `30s`, `5m`, `2h`, `1d` in milliseconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,6})([smhd])$/.exec(text)
  if (!match) return undefined
  return Number(match[1]) * units[match[2] as keyof typeof units]
}

/** A length of time as a person says it: `89 days`, `11 hours`, `4.2 s`. */
export function sayDuration(ms: number): string {
  const length = Math.abs(ms)
  if (length >= 2 * units.d) return `${Math.floor(length / units.d)} days`
  if (length >= 2 * units.h) return `${Math.floor(length / units.h)} hours`
  if (length >= 2 * units.m) return `${Math.floor(length / units.m)} minutes`
  return `${(length / 1000).toFixed(1)} s`
}

/** `valid for 89 days` or `expired 11 hours ago`. */
export function sayValidity(notAfter: string, now: Date): string {
  const left = Date.parse(notAfter) - now.getTime()
  return left > 0 ? `valid for ${sayDuration(left)}` : `expired ${sayDuration(left)} ago`
}

/** `2026-11-23 12:00 UTC`. */
export function sayInstant(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`
}
