import { expect, test } from 'vitest'
import { beginAttempt, endAttempt } from '../../src/core/backoff.ts'
import type { Attempts } from '../../src/core/backoff.ts'
import { limitsOf } from '../../src/core/budget.ts'
import type { Spending } from '../../src/core/budget.ts'
import type { Leaf } from '../../src/core/certificate.ts'
import { planIssuance } from '../../src/core/plan-issuance.ts'
import { ca, certificate as configured, leafOf, name, underway as underwayAt } from '../support/observed.ts'
import { rollDice, type Dice } from './dice.ts'

/**
 * The decisions of 400 days, hour by hour as the packaged timer asks for them, against a CA of a few lines here: the
 * program's judgement is real, what it judges is made up.
 */
const [hour, day] = [3_600_000, 86_400_000]
const start = Date.parse('2026-11-23T12:00:00Z')
const certificate = { ...configured, nodes: [] }
const limits = limitsOf('https://acme-v02.api.letsencrypt.org/directory')!

interface Year {
  readonly lifetime: number
  /** The CA suggests when to renew: as it should, or far too late. */
  readonly suggests: 'nothing' | 'well' | 'late'
  readonly seed: number
}

const lifetimes = [
  ['90 days', 90 * day],
  ['64 days', 64 * day],
  ['45 days', 45 * day],
  ['160 hours', 160 * hour],
] as const

const years = lifetimes.flatMap(([lived, lifetime]) =>
  (['nothing', 'well', 'late'] as const).map((suggests) => ({ lived, lifetime, suggests })),
)

test.each(years)(
  'lifetimes of $lived, a CA that suggests $suggests: in time, whenever it comes back three hours before the end',
  ({ lifetime, suggests }) => {
    for (let seed = 1; seed <= 5; seed++) live({ lifetime, suggests, seed })
  },
)

function live({ lifetime, suggests, seed }: Year): void {
  const dice = rollDice(seed)
  const orders: Spending[] = []
  let number = 1
  let leaf = leafFrom(start - lifetime / 2, lifetime, number)
  let outage = nextOutage(leaf, dice)
  let attempts: Attempts | undefined
  let underway = false
  let failedOfLate: number[] = []

  for (let firing = start; firing < start + 400 * day; firing += hour) {
    const now = new Date(firing + dice.share() * 600_000)
    const at = now.getTime()
    const where = `seed ${seed}, day ${Math.floor((at - start) / day)}`
    if (Date.parse(leaf.notAfter) <= at) expect.fail(`${where}: it has expired`)
    const suggestion = suggestionFor(leaf, suggests)
    const facts = {
      versions: [{ number, leaf, chain: [], files: {} }],
      highest: number,
      challenges: [],
      attempts,
      ...(suggestion && { suggestion }),
      ...(underway && { underway: underwayAt(number + 1) }),
      domains: ['hachyderm.io'],
    }
    const cas = [{ ...ca, budget: { limits, spent: orders } }]
    const issuance = planIssuance(certificate, { facts, lineages: [], now, forceRenew: false, cas })
    if (issuance.kind !== 'issue') continue

    const began = beginAttempt(attempts, now)
    const fail = (because: string) => endAttempt(began, now, because)
    if (at >= outage.from && at < outage.to) {
      attempts = fail('no answer')
      continue
    }
    if (!underway) orders.push({ at: now.toISOString(), certificate: name, names: [name], domains: [] })
    underway = true
    // Now and then the run dies, or the CA does not believe us; never when that alone could be too much.
    const calm = Date.parse(leaf.notAfter) - at < 12 * hour
    const luck = calm ? 1 : dice.share()
    if (luck < 0.2) {
      attempts = began
    } else if (luck < 0.3) {
      failedOfLate = [...failedOfLate.filter((one) => one > at - hour), at]
      expect(failedOfLate.length, `${where}: failed validations in an hour`).toBeLessThanOrEqual(3)
      settle(orders, 'nothing')
      underway = false
      attempts = fail('not validated')
    } else {
      settle(orders, 'issued')
      underway = false
      attempts = undefined
      leaf = leafFrom(at, lifetime, ++number)
      outage = nextOutage(leaf, dice)
    }
    expect(within(orders, at, day), `${where}: orders in a day`).toBeLessThanOrEqual(4)
    expect(within(issued(orders), at, day), `${where}: issued in a day`).toBeLessThanOrEqual(2)
    expect(within(issued(orders), at, 7 * day), `${where}: issued in a week`).toBeLessThanOrEqual(4)
  }
  const most = Math.ceil((400 * day) / (lifetime * 0.45)) + 1
  expect(issued(orders).length, `seed ${seed}: issued in all`).toBeLessThanOrEqual(most)
}

/** The CA is gone from about when a new version is due, at the worst until three hours before the old one's end. */
function nextOutage({ notBefore, notAfter }: Leaf, dice: Dice): { from: number; to: number } {
  const [born, end] = [Date.parse(notBefore), Date.parse(notAfter)]
  const from = born + (end - born) * (0.4 + dice.share() * 0.5)
  const last = end - 3 * hour
  return { from, to: dice.share() < 0.5 ? last : from + (last - from) * dice.share() }
}

function leafFrom(at: number, lifetime: number, number: number): Leaf {
  const [notBefore, notAfter] = [at, at + lifetime].map((instant) => new Date(instant).toISOString())
  return leafOf(number, { notBefore: notBefore!, notAfter: notAfter! })
}

function suggestionFor(leaf: Leaf, suggests: Year['suggests']) {
  if (suggests === 'nothing') return undefined
  const [born, end] = [Date.parse(leaf.notBefore), Date.parse(leaf.notAfter)]
  const at = (share: number) => new Date(born + (end - born) * share).toISOString()
  return suggests === 'well' ? { start: at(0.64), end: at(0.68) } : { start: at(0.97), end: at(0.99) }
}

function settle(orders: Spending[], outcome: 'issued' | 'nothing'): void {
  const last = orders.pop()
  if (last) orders.push({ ...last, outcome, ...(outcome === 'nothing' && { failed: [name] }) })
}

function issued(orders: readonly Spending[]): Spending[] {
  return orders.filter(({ outcome }) => outcome === 'issued')
}

function within(orders: readonly Spending[], at: number, ms: number): number {
  return orders.filter((one) => Date.parse(one.at) > at - ms).length
}
