import { describe, expect, test } from 'vitest'
import { judgeBudget, judgeUsage, limitsOf, sayUsage, stillCounting } from '../../src/core/budget.ts'
import type { Limits, Spending, Usage } from '../../src/core/budget.ts'
import { registeredDomains } from '../../src/core/registered-domain.ts'

const now = new Date('2026-11-23T12:00:00Z')
const [minute, hour, day] = [60_000, 3_600_000, 86_400_000]
const ago = (ms: number): string => new Date(now.getTime() - ms).toISOString()
const limits = limitsOf('https://acme-v02.api.letsencrypt.org/directory') as Limits
const wish = { names: ['example.com', 'www.example.com'], domains: ['example.com'] }

function order(at: string, change: Partial<Spending> = {}): Spending {
  return { at, certificate: 'example.com', ...wish, outcome: 'issued', ...change }
}

function usage(spent: readonly Spending[], of: Usage['of']): Usage | undefined {
  return judgeBudget(wish, { limits, spent, now }).find((one) => one.of === of)
}

describe("at Let's Encrypt", () => {
  test('nothing used: every limit at 0, and an order is allowed', () => {
    const usages = judgeBudget(wish, { limits, spent: [], now })
    expect(usages.map(sayUsage)).toEqual([
      '0 of 5 issuances for this set of names used in 7 days',
      '0 of 50 certificates for example.com used in 7 days',
      '0 of 5 failed validations of example.com used in an hour',
      '0 of 5 failed validations of www.example.com used in an hour',
      '0 of 300 orders used in 3 hours',
    ])
    expect(judgeUsage(usages)).toBeUndefined()
  })

  test('the sixth issuance of a set waits until the first one is a week old, to the millisecond', () => {
    const spent = [6, 5, 4, 3, 2].map((days) => order(ago(days * day)))
    const parked = judgeUsage(judgeBudget(wish, { limits, spent, now }))
    expect(parked).toEqual({
      until: ago(-day),
      by: 'limit',
      because: '5 of 5 issuances for this set of names used in 7 days',
    })
    const then = new Date(now.getTime() + day)
    const before = new Date(then.getTime() - 1)
    expect(judgeUsage(judgeBudget(wish, { limits, spent, now: before }))).toBeDefined()
    expect(judgeUsage(judgeBudget(wish, { limits, spent, now: then }))).toBeUndefined()
  })

  test('a set is a set: order does not matter, one name more does', () => {
    const reversed = order(ago(hour), { names: wish.names.toReversed() })
    const other = order(ago(hour), { names: [...wish.names, 'a.example.com'] })
    expect(usage([reversed, other], 'set')?.used).toBe(1)
    expect(usage([reversed, other], 'domain')?.used).toBe(2)
  })

  test('an order that came to nothing was no issuance; one under way may become one', () => {
    const spent = [order(ago(hour), { outcome: 'nothing' }), order(ago(minute), { outcome: undefined })]
    expect(usage(spent, 'set')?.used).toBe(1)
    expect(usage(spent, 'account')?.used).toBe(2)
  })

  test('five failed validations of a name in an hour are the most, whatever it was ordered with', () => {
    const failing = [50, 40, 30, 20, 10].map((minutes) =>
      order(ago(minutes * minute), {
        outcome: 'nothing',
        names: ['www.example.com'],
        failed: ['www.example.com'],
      }),
    )
    const usages = judgeBudget(wish, { limits, spent: failing, now })
    expect(judgeUsage(usages)).toMatchObject({
      until: ago(-10 * minute),
      because: '5 of 5 failed validations of www.example.com used in an hour',
    })
    expect(usages.find(({ what }) => what === 'failed validations of example.com')?.used).toBe(0)
  })

  test('three hundred orders in three hours are the most', () => {
    const spent = Array.from({ length: 300 }, (_, index) =>
      order(ago(2 * hour - index), { names: [`n${index}.test`], domains: [`n${index}.test`] }),
    )
    expect(judgeUsage(judgeBudget(wish, { limits, spent, now }))).toMatchObject({
      until: ago(-hour),
      because: '300 of 300 orders used in 3 hours',
    })
  })

  test('of several used limits the one that lasts longest is told', () => {
    const spent = [
      ...[6, 5, 4, 3, 2].map((days) => order(ago(days * day))),
      ...Array.from({ length: 50 }, (_, index) =>
        order(ago(5 * day + index), { names: [`n${index}.example.com`] }),
      ),
    ]
    expect(judgeUsage(judgeBudget(wish, { limits, spent, now }))?.because).toContain(
      'certificates for example.com',
    )
  })
})

test('limits that are not known are not guessed', () => {
  expect(limitsOf('https://dv.acme-v02.api.pki.goog/directory')).toBeUndefined()
  expect(limitsOf('https://ca.internal:9000/acme/acme/directory')).toBeUndefined()
  expect(limitsOf('https://acme-staging-v02.api.letsencrypt.org/directory')?.perSet.most).toBe(30_000)
})

test('what counts nowhere any more is forgotten', () => {
  const spent = [order(ago(8 * day)), order(ago(6 * day))]
  expect(stillCounting(spent, now)).toEqual([spent[1]])
})

test.each([
  [['www.example.com', '*.example.com', 'example.com'], ['example.com']],
  [
    ['a.b.example.co.uk', 'other.co.uk'],
    ['example.co.uk', 'other.co.uk'],
  ],
  [['me.github.io'], ['me.github.io']],
  [
    ['nginx.internal', 'localhost'],
    ['nginx.internal', 'localhost'],
  ],
])('%j are counted by %j', (names, domains) => {
  expect(registeredDomains(names)).toEqual(domains)
})
