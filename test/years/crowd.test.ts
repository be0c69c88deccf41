import { expect, test } from 'vitest'
import { limitsOf } from '../../src/core/budget.ts'
import type { Spending } from '../../src/core/budget.ts'
import { makePlan } from '../../src/core/make-plan.ts'
import { ca, certificate, now, rollout } from '../support/observed.ts'

const limits = limitsOf('https://acme-v02.api.letsencrypt.org/directory')!
const [hour, day] = [3_600_000, 86_400_000]

interface Crowd {
  readonly what: string
  readonly domains: number
  /** Hours after the beginning, and how many have their version by then. */
  readonly by: readonly (readonly [hours: number, issued: number])[]
}

const crowds: readonly Crowd[] = [
  {
    what: 'in as many domains: three hundred at once, the others three hours later',
    domains: 500,
    by: [
      [0, 300],
      [2, 300],
      [4, 500],
    ],
  },
  {
    what: 'in one domain: fifty a week, until all have theirs',
    domains: 1,
    by: [
      [0, 50],
      [6 * 24, 50],
      [8 * 24, 100],
      [10 * 7 * 24, 500],
    ],
  },
]

test.each(crowds)('five hundred certificates due at once, $what', { timeout: 60_000 }, ({ domains, by }) => {
  const all = Array.from({ length: 500 }, (_, index) => {
    const domain = `d${index % domains}.example`
    return {
      certificate: { ...certificate, name: `s${index}.${domain}`, names: [`s${index}.${domain}`], nodes: [] },
      domain,
    }
  })
  let waiting = all
  const orders: Spending[] = []
  const reached = new Map<number, number>()
  for (let hours = 0; hours <= by.at(-1)![0]; hours += waiting.length === 0 || hours >= 5 ? 24 : 1) {
    const at = new Date(now.getTime() + hours * hour)
    const facts = Object.fromEntries(
      waiting.map((one) => [
        one.certificate.name,
        { versions: [], highest: 0, challenges: [], domains: [one.domain] },
      ]),
    )
    const plan = makePlan(
      { certificates: waiting.map((one) => one.certificate), rollout, forceRenew: false },
      { now: at, nodes: {}, certificates: facts, cas: [{ ...ca, budget: { limits, spent: orders } }] },
    )
    const issued = new Set(
      plan.certificates.filter(({ issuance }) => issuance.kind === 'issue').map((one) => one.certificate),
    )
    for (const one of waiting.filter(({ certificate: { name } }) => issued.has(name))) {
      const { name, names } = one.certificate
      orders.push({
        at: at.toISOString(),
        certificate: name,
        names,
        domains: [one.domain],
        outcome: 'issued',
      })
    }
    waiting = waiting.filter(({ certificate: { name } }) => !issued.has(name))
    const within = (ms: number, of: readonly Spending[]) =>
      of.filter((one) => Date.parse(one.at) > at.getTime() - ms).length
    expect(within(3 * hour, orders)).toBeLessThanOrEqual(300)
    const first = orders.filter((one) => one.domains[0] === 'd0.example')
    expect(within(7 * day, first)).toBeLessThanOrEqual(50)
    reached.set(hours, orders.length)
  }
  for (const [hours, issued] of by) {
    const last = [...reached].filter(([at]) => at <= hours).at(-1)
    expect(last?.[1], `after ${hours} hours`).toBe(issued)
  }
})
