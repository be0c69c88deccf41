import { expect, test } from 'vitest'
import { judgeClock } from '../../src/core/clock.ts'

const theirs = new Date('2026-11-23T12:00:00Z')

test.each([
  ['2026-11-23T12:00:00Z', undefined],
  ['2026-11-23T12:05:00Z', undefined],
  ['2026-11-23T11:55:00Z', undefined],
  [
    '2026-11-23T12:05:01Z',
    '5 minutes ahead: it says 2026-11-23 12:05:01 UTC, the CA says 2026-11-23 12:00:00 UTC',
  ],
  [
    '2026-11-23T11:54:59Z',
    '5 minutes behind: it says 2026-11-23 11:54:59 UTC, the CA says 2026-11-23 12:00:00 UTC',
  ],
  [
    '2036-11-20T12:00:00Z',
    '3650 days ahead: it says 2036-11-20 12:00:00 UTC, the CA says 2026-11-23 12:00:00 UTC',
  ],
  [
    '2025-11-23T12:00:00Z',
    '365 days behind: it says 2025-11-23 12:00:00 UTC, the CA says 2026-11-23 12:00:00 UTC',
  ],
])('a clock at %s: %s', (ours, said) => {
  const found = judgeClock({ ours: new Date(ours), theirs })
  expect(found?.message).toBe(said && `the clock of this machine is ${said}`)
})
