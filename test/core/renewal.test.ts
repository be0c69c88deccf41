import { describe, expect, test } from 'vitest'
import type { Suggestion } from '../../src/core/ari.ts'
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

describe('by what the CA suggests', () => {
  const notBefore = '2026-09-01T00:00:00.000Z'
  const suggestion = {
    start: '2026-10-20T00:00:00.000Z',
    end: '2026-10-22T00:00:00.000Z',
    explanationUrl: 'https://ca.example/why',
  }
  const at = (now: string, notAfter: string, suggested: Suggestion = suggestion) =>
    judgeRenewal({
      certificate,
      stored: leafOf(3, { notBefore, notAfter }),
      now: new Date(now),
      suggestion: suggested,
      forced: false,
      underway: false,
    })
  const window = 'the CA suggests its renewal from 2026-10-20 00:00 UTC to 2026-10-22 00:00 UTC'
  const [of90, of64, of45] = [
    '2026-11-30T00:00:00.000Z',
    '2026-11-04T00:00:00.000Z',
    '2026-10-16T00:00:00.000Z',
  ]
  const [from, why] = [
    'due from 2026-10-21 13:44 UTC, as the CA suggests',
    `${window}, see https://ca.example/why`,
  ]

  test.each([
    ['before the window', of90, '2026-10-19T00:00:00Z', false, `valid for 42 days, ${from}`],
    [
      'in the window before the chosen instant',
      of90,
      '2026-10-21T13:44:00Z',
      false,
      `valid for 39 days, ${from}`,
    ],
    ['at the chosen instant', of90, '2026-10-21T13:45:00Z', true, why],
    ['long after the window', of90, '2026-11-20T00:00:00Z', true, why],
    ['after expiry', of90, '2026-12-02T00:00:00Z', true, 'it expired 2 days ago'],
    [
      'later than a third, which the CA may want',
      of64,
      '2026-10-18T00:00:00Z',
      false,
      `valid for 17 days, ${from}`,
    ],
    [
      'when a clock is before the certificate',
      of90,
      '2026-08-01T00:00:00Z',
      false,
      `valid for 121 days, ${from}`,
    ],
    ['when a clock is years ahead', of90, '2036-08-01T00:00:00Z', true, 'it expired 3532 days ago'],
  ])('%s', (_when, notAfter, now, due, because) => {
    expect(at(now, notAfter)).toEqual({ due, because })
  })

  test.each([
    ['90 days', of90, '2026-11-14T23:00:00Z', '2026-11-15T00:00:00Z', '2026-11-15 00:00', '15 days'],
    ['64 days', of64, '2026-10-24T07:00:00Z', '2026-10-24T08:00:00Z', '2026-10-24 08:00', '10 days'],
    ['45 days', of45, '2026-10-08T11:00:00Z', '2026-10-08T12:00:00Z', '2026-10-08 12:00', '7 days'],
    [
      '6 days',
      '2026-09-07T00:00:00.000Z',
      '2026-09-05T23:00:00Z',
      '2026-09-06T00:00:00Z',
      '2026-09-06 00:00',
      '24 hours',
    ],
  ])(
    'a window that comes too late does not outlast the last sixth of %s',
    (_what, notAfter, before, now, floor, left) => {
      const end = new Date(Date.parse(notAfter)).toISOString()
      const late = { start: new Date(Date.parse(end) - 1000).toISOString(), end }
      const [early, due] = [at(before, notAfter, late), at(now, notAfter, late)]
      expect(early).toMatchObject({ due: false })
      expect(early.because).toContain(`due from ${floor} UTC, before the CA suggests`)
      expect(due.due).toBe(true)
      expect(due.because).toMatch(
        new RegExp(`^it expires in ${left}, and the CA suggests its renewal from .*: that is too late$`),
      )
    },
  )

  test('a window in the past is due at once, as after a mass revocation', () => {
    const past = { start: '2026-09-02T00:00:00.000Z', end: '2026-09-02T00:00:01.000Z' }
    expect(at('2026-09-03T00:00:00Z', of90, past).due).toBe(true)
  })
})
