import { expect, test } from 'vitest'
import { judgeRenewal } from '../../src/core/renewal.ts'
import { certificate, leafOf } from '../support/observed.ts'

const day = 86_400_000

function judge(lifetimeDays: number, leftDays: number) {
  const now = new Date('2026-11-23T12:00:00Z')
  const notAfter = now.getTime() + leftDays * day
  const stored = leafOf(3, {
    notBefore: new Date(notAfter - lifetimeDays * day).toISOString(),
    notAfter: new Date(notAfter).toISOString(),
  })
  return judgeRenewal({ certificate, stored, now, forced: false, underway: false }).due
}

test.each([
  { lifetime: 90, left: 31, due: false },
  { lifetime: 90, left: 30, due: true },
  { lifetime: 64, left: 22, due: false },
  { lifetime: 64, left: 21, due: true },
  { lifetime: 45, left: 16, due: false },
  { lifetime: 45, left: 15, due: true },
  { lifetime: 6, left: 3.1, due: false },
  { lifetime: 6, left: 3, due: true },
  { lifetime: 90, left: 0, due: true },
  { lifetime: 90, left: -1, due: true },
])('with $left of $lifetime days left, due is $due', ({ lifetime, left, due }) => {
  expect(judge(lifetime, left)).toBe(due)
})

test.each([
  ['nothing is stored', undefined, certificate, 'no version is stored here'],
  [
    'a name was added',
    leafOf(3),
    { ...certificate, names: ['media.hachyderm.io', 'cdn.hachyderm.io'] },
    'the stored version lacks cdn.hachyderm.io',
  ],
  [
    'a name was taken away',
    leafOf(3, { names: ['media.hachyderm.io', 'old.hachyderm.io'] }),
    certificate,
    'old.hachyderm.io is no longer configured',
  ],
  [
    'the key type changed',
    leafOf(3),
    { ...certificate, key: 'rsa-2048' as const },
    'its key is ecdsa-p256, rsa-2048 is configured',
  ],
  ['it expired', leafOf(2), certificate, 'it expired 10 hours ago'],
])('is due when %s', (_what, stored, configured, because) => {
  const now = new Date('2026-11-23T12:00:00Z')
  expect(judgeRenewal({ certificate: configured, stored, now, forced: false, underway: false })).toEqual({
    due: true,
    because,
  })
})

test('says until when it is good and from when it is due', () => {
  const now = new Date('2026-11-23T12:00:00Z')
  expect(judgeRenewal({ certificate, stored: leafOf(3), now, forced: false, underway: false })).toEqual({
    due: false,
    because: 'valid for 89 days, due from 2027-01-22 11:00 UTC',
  })
})

test('an order that an earlier run left unfinished is finished, though nothing else is due', () => {
  const now = new Date('2026-11-23T12:00:00Z')
  expect(judgeRenewal({ certificate, stored: leafOf(3), now, forced: false, underway: true })).toEqual({
    due: true,
    because: 'an earlier run left its order unfinished',
  })
})
