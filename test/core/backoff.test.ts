import { expect, test } from 'vitest'
import {
  addRefusal,
  beginAttempt,
  endAttempt,
  forgetFailures,
  judgeAttempts,
  judgeRefusal,
  longestRefusalMs,
} from '../../src/core/backoff.ts'
import type { Attempts } from '../../src/core/backoff.ts'

const start = new Date('2026-11-23T12:00:00Z')
const later = (ms: number): Date => new Date(start.getTime() + ms)
const [minute, hour, day] = [60_000, 3_600_000, 86_400_000]
const patient = { insistent: false, notAfter: undefined }

function failed(failures: number, change: Partial<Attempts> = {}): Attempts {
  return { failures, at: start.toISOString(), because: 'the CA could not validate a.example', ...change }
}

test.each([
  [1, 1 * minute],
  [2, 10 * minute],
  [3, 100 * minute],
  [4, day],
  [5, day],
  [400, day],
])('after failure %i in a row the next try waits, to the millisecond', (failures, pause) => {
  expect(judgeAttempts(failed(failures), { now: later(pause - 1), ...patient })).toMatchObject({
    until: later(pause).toISOString(),
    by: 'pause',
  })
  expect(judgeAttempts(failed(failures), { now: later(pause), ...patient })).toBeUndefined()
})

test.each([
  ['weeks are left', 4, 20 * day, day],
  ['five days are left: not a day of them', 4, 5 * day, 12 * hour],
  ['a day is left', 4, day, 2.4 * hour],
  ['hours are left', 4, 5 * hour, hour],
  ['hours are left, after a second failure', 2, 5 * hour, 10 * minute],
  ['it has just expired', 9, -minute, hour],
  ['it expired five days ago', 9, -5 * day, 12 * hour],
  ['it expired long ago', 9, -100 * day, day],
])('a failure when %s: the next try comes in time', (_what, failures, left, pause) => {
  const patience = { insistent: false, notAfter: later(left).toISOString() }
  expect(judgeAttempts(failed(failures), { now: later(pause - 1), ...patience })).toMatchObject({
    until: later(pause).toISOString(),
  })
  expect(judgeAttempts(failed(failures), { now: later(pause), ...patience })).toBeUndefined()
})

test('nothing failed: nothing waits', () => {
  expect(judgeAttempts(undefined, { now: start, ...patient })).toBeUndefined()
})

test('says what failed and when', () => {
  const now = later(30_000)
  expect(judgeAttempts(failed(1), { now, ...patient })?.because).toBe(
    'the last attempt at 2026-11-23 12:00 UTC failed: the CA could not validate a.example',
  )
  expect(judgeAttempts(failed(3), { now, ...patient })?.because).toBe(
    '3 attempts in a row, the last one at 2026-11-23 12:00 UTC failed: the CA could not validate a.example',
  )
})

test('a person need not wait for our own pauses', () => {
  const insistent = { now: later(minute), insistent: true, notAfter: undefined }
  expect(judgeAttempts(failed(4), insistent)).toBeUndefined()
})

const [first, second] = ['https://one.example/dir', 'https://two.example/dir']
const refusedBy = (directory: string, until: Date) => ({
  refusals: { [directory]: { until: until.toISOString(), because: 'too many' } },
})

test('what a CA said parks that CA until then, to the millisecond, and no other', () => {
  const attempts = failed(1, refusedBy(first, later(hour)))
  expect(judgeRefusal(attempts, { directory: first, now: later(hour - 1) })).toEqual({
    until: later(hour).toISOString(),
    by: 'CA',
    because: 'the CA refuses until then: too many',
  })
  expect(judgeRefusal(attempts, { directory: first, now: later(hour) })).toBeUndefined()
  expect(judgeRefusal(attempts, { directory: second, now: start })).toBeUndefined()
})

test('a Retry-After of a year does not let a certificate expire: the CA is asked again after a week', () => {
  const waitMs = 365 * day
  const attempts = addRefusal(failed(1), first, { because: 'x', waitMs, now: start })
  expect(attempts.refusals?.[first]?.until).toBe(later(longestRefusalMs).toISOString())
  expect(longestRefusalMs).toBe(7 * day)
})

test('what a wrong clock dated into the future holds nothing up', () => {
  const attempts = failed(4, {
    at: later(3_650 * day).toISOString(),
    ...refusedBy(first, later(3_650 * day)),
  })
  expect(judgeAttempts(attempts, { now: start, ...patient })).toBeUndefined()
  expect(judgeRefusal(attempts, { directory: first, now: start })).toBeUndefined()
})

test('a try counts as a failure from its beginning, and each of its own', () => {
  const begun = beginAttempt(undefined, start)
  expect(begun).toMatchObject({ failures: 1, because: 'the run did not come to its end' })
  const ended = endAttempt(begun, later(5), 'no luck')
  expect(ended).toEqual({ failures: 1, at: later(5).toISOString(), because: 'no luck' })
  expect(beginAttempt(ended, later(minute))).toMatchObject({ failures: 2 })
})

test('what CAs said is kept over tries, also when a version came of one, and not longer than it counts', () => {
  const refused = failed(1, {
    refusals: {
      ...refusedBy(first, later(hour)).refusals,
      ...refusedBy(second, later(minute)).refusals,
    },
  })
  const at = later(2 * minute)
  const left = { refusals: refusedBy(first, later(hour)).refusals }
  expect(beginAttempt(refused, at)).toMatchObject({ failures: 2, ...left })
  expect(endAttempt(refused, at, 'no luck')).toMatchObject(left)
  const version = forgetFailures(refused, at)
  expect(version).toEqual({ failures: 0, at: at.toISOString(), because: 'a version came of it', ...left })
  expect(judgeAttempts(version, { now: at, ...patient })).toBeUndefined()
  expect(beginAttempt(version, at)).toMatchObject({ failures: 1 })
  expect(forgetFailures(refused, later(hour))).toBeUndefined()
})
