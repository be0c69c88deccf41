import { expect, test } from 'vitest'
import { retryAfterMs } from '../../src/acme/retry-after.ts'

const now = new Date('2026-11-23T12:00:00Z')
const yearMs = 366 * 24 * 3_600_000

test.for([
  ['0', 0],
  ['1', 1_000],
  [' 120 ', 120_000],
  ['9999999', 9_999_999_000],
  ['99999999999999999999', yearMs],
  ['9'.repeat(390), yearMs],
  ['9'.repeat(500), undefined],
  ['Mon, 23 Nov 2026 12:00:05 GMT', 5_000],
  ['Monday, 23-Nov-26 12:00:05 GMT', 5_000],
  ['Mon, 23 Nov 2026 11:00:00 GMT', 0],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['Fri, 31 Dec 9999 23:59:59 GMT', yearMs],
  ['-1', undefined],
  ['-5', undefined],
  ['1.5', undefined],
  ['1e3', undefined],
  ['0x10', undefined],
  ['soon', undefined],
  ['', undefined],
  [undefined, undefined],
] as const)('%j is %j ms', ([header, ms]) => {
  expect(retryAfterMs({ 'retry-after': header }, now)).toBe(ms)
})

test("a date is taken against the CA's clock, not against ours", () => {
  const headers = { 'retry-after': 'Mon, 23 Nov 2026 13:00:30 GMT', date: 'Mon, 23 Nov 2026 13:00:00 GMT' }
  expect(retryAfterMs(headers, now)).toBe(30_000)
  expect(retryAfterMs({ ...headers, date: 'nonsense' }, now)).toBe(3_630_000)
})
