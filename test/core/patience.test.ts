import { describe, expect, test } from 'vitest'
import { limitsOf } from '../../src/core/budget.ts'
import type { Spending } from '../../src/core/budget.ts'
import { liftHold, mergeHolds } from '../../src/core/hold.ts'
import { makePlan } from '../../src/core/make-plan.ts'
import type { PlanRequest } from '../../src/core/make-plan.ts'
import type { Observed } from '../../src/core/observed.ts'
import { plainPaint } from '../../src/core/paint.ts'
import { hasChanges, hasProblems } from '../../src/core/plan.ts'
import { renderPlan } from '../../src/core/render-plan.ts'
import { renderStatus } from '../../src/core/render-status.ts'
import { refuseUnsafe } from '../../src/core/safety.ts'
import * as fleet from '../support/observed.ts'

const request: PlanRequest = { certificates: [fleet.certificate], rollout: fleet.rollout, forceRenew: false }
const plan = (observed: Observed, change: Partial<PlanRequest> = {}) =>
  makePlan({ ...request, ...change }, observed)
const print = (observed: Observed, change: Partial<PlanRequest> = {}) =>
  renderPlan(plan(observed, change), plainPaint)

/** Version 3 in place and due: 20 of its 90 days are left. */
const due = fleet.version(3, { notBefore: '2026-09-14T12:00:00.000Z', notAfter: '2026-12-13T12:00:00.000Z' })
const dueNode = () => ({ ...fleet.nodeAt(3), served: { [fleet.name]: [fleet.served(due.leaf)] } })
const dueFleet = () => Object.fromEntries(fleet.cdn.map((node) => [node, dueNode()]))
const failed = { failures: 2, at: '2026-11-23T11:55:00.000Z', because: 'the CA could not validate it' }

describe('a version that is due and has to wait', () => {
  test('is parked, which is a problem and no change; the way out is said', () => {
    const observed = fleet.observe(dueFleet(), [due], { attempts: failed })
    expect(print(observed)).toMatchInlineSnapshot(`
      "media.hachyderm.io
        = keep version 3, valid for 20 days
        ! media.hachyderm.io is parked until 2026-11-23 12:05 UTC, because 2 attempts in a row, the last one at 2026-11-23 11:55 UTC failed: the CA could not validate it
            hint: mend the cause, then try at once: certs rollout media.hachyderm.io
        = cdn-frankfurt-1  version 3  it serves it, and its files are right
        = cdn-fremont-1    version 3  it serves it, and its files are right
        = sally            version 3  it serves it, and its files are right
        = esme             version 3  it serves it, and its files are right

      Nothing can be done: 1 certificate parked."
    `)
    expect([hasChanges(plan(observed)), hasProblems(plan(observed))]).toEqual([false, true])
    expect(renderStatus(plan(observed), observed, plainPaint)).toContain(
      'media.hachyderm.io is parked until 2026-11-23 12:05 UTC, because 2 attempts in a row',
    )
  })

  test('does not wait when a person asks for it', () => {
    const observed = fleet.observe(dueFleet(), [due], { attempts: failed })
    for (const wish of [{ insistent: true }, { forceRenew: true }]) {
      expect(plan(observed, wish).certificates[0]!.issuance).toMatchObject({ kind: 'issue', number: 4 })
    }
  })

  test('meanwhile the stored version, as long as it is valid, still goes to a node that lacks it', () => {
    const nodes = { ...dueFleet(), esme: fleet.nodeAt(2) }
    const made = plan(fleet.observe(nodes, [due], { attempts: failed })).certificates[0]!
    expect(made).toMatchObject({
      issuance: { kind: 'keep', from: 3, parked: { by: 'pause' } },
      waves: [['esme']],
    })
  })

  test('an expired version is not rolled out while the next one waits', () => {
    const made = plan(fleet.observe(fleet.fleetAt(1), [fleet.version(2)], { attempts: failed }))
    expect(made.certificates[0]).toMatchObject({ issuance: { kind: 'refuse' }, waves: [] })
    expect(hasChanges(made) && made.certificates[0]!.waves.length > 0).toBe(false)
  })
})

describe("the CA's limits in the plan", () => {
  const limits = limitsOf('https://acme-v02.api.letsencrypt.org/directory')!
  const order = (hoursAgo: number, change: Partial<Spending> = {}): Spending => ({
    at: new Date(fleet.now.getTime() - hoursAgo * 3_600_000).toISOString(),
    certificate: fleet.name,
    names: [fleet.name],
    domains: ['hachyderm.io'],
    outcome: 'issued',
    ...change,
  })
  const withSpent = (observed: Observed, spent: readonly Spending[]): Observed => ({
    ...observed,
    cas: [{ ...fleet.ca, budget: { limits, spent } }],
  })

  test('what is used of the set is shown', () => {
    const observed = fleet.observe(dueFleet(), [due], { domains: ['hachyderm.io'] })
    expect(print(withSpent(observed, [order(20), order(50)]))).toContain(
      '  + issue version 4, because it expires in 20 days\n      2 of 5 issuances for this set of names used in 7 days\n',
    )
  })

  test('a used limit parks, also against a person', () => {
    const observed = withSpent(
      fleet.observe(dueFleet(), [due]),
      [1, 2, 3, 4, 5].map((hours) => order(hours)),
    )
    for (const wish of [{}, { insistent: true }, { forceRenew: true }]) {
      expect(plan(observed, wish).certificates[0]!.issuance).toMatchObject({
        kind: 'keep',
        parked: { by: 'limit', until: '2026-11-30T07:00:00.000Z' },
      })
    }
  })

  test('an order that is under way is finished: it has been counted', () => {
    const observed = fleet.observe(dueFleet(), [due], { underway: fleet.underway(4) })
    const spent = [1, 2, 3, 4, 5].map((hours) => order(hours))
    expect(plan(withSpent(observed, spent)).certificates[0]!.issuance).toMatchObject({
      kind: 'issue',
      resumes: true,
    })
  })

  test('what one plan orders counts for its later certificates', () => {
    const names = Array.from({ length: 52 }, (_, index) => `s${index}.hachyderm.io`)
    const certificates = names.map((name) => ({ ...fleet.certificate, name, names: [name], nodes: [] }))
    const facts = { versions: [], highest: 0, challenges: [], domains: ['hachyderm.io'] }
    const observed: Observed = {
      now: fleet.now,
      nodes: {},
      certificates: Object.fromEntries(names.map((name) => [name, facts])),
      cas: [{ ...fleet.ca, budget: { limits, spent: [] } }],
    }
    const kinds = plan(observed, { certificates }).certificates.map(({ issuance }) => issuance.kind)
    expect(kinds).toEqual([...Array.from({ length: 50 }, () => 'issue'), 'refuse', 'refuse'])
  })
})

describe('a version that was rolled back', () => {
  const since = '2026-11-23T11:30:00.000Z'
  const hold = { nodes: { sally: 3 }, since }
  const nodes = () => ({ ...fleet.fleetAt(3), sally: fleet.nodeAt(2) })

  test('stays away from its nodes, with a sentence and the way out', () => {
    const observed = fleet.observe(nodes(), [fleet.version(3)], { hold })
    expect([hasChanges(plan(observed)), hasProblems(plan(observed))]).toEqual([false, false])
    expect(print(observed)).toMatchInlineSnapshot(`
      "media.hachyderm.io
        = keep version 3, valid for 89 days
        = cdn-frankfurt-1  version 3  it serves it, and its files are right
        = cdn-fremont-1    version 3  it serves it, and its files are right
        = sally            version 2  version 3 was rolled back at 2026-11-23 11:30 UTC
        = esme             version 3  it serves it, and its files are right
        hint: version 3 does not come back by itself; to bring it: certs rollout media.hachyderm.io

      No changes. media.hachyderm.io is version 3 on 3 nodes and held back from 1, valid until 2027-02-21 11:00 UTC."
    `)
    expect(renderStatus(plan(observed), observed, plainPaint)).toContain(
      'held: version 3 was rolled back at 2026-11-23 11:30 UTC',
    )
  })

  test('goes to other nodes as always', () => {
    const observed = fleet.observe({ ...nodes(), esme: fleet.nodeAt(2) }, [fleet.version(3)], { hold })
    expect(plan(observed).certificates[0]!.waves).toEqual([['esme']])
  })

  test('comes back when a person asks for it', () => {
    const observed = fleet.observe(nodes(), [fleet.version(3)], { hold })
    expect(plan(observed, { insistent: true }).certificates[0]!.waves).toEqual([['sally']])
  })

  test('holds no newer version back, stored or to be issued', () => {
    const newer = fleet.observe(nodes(), [fleet.version(3), fleet.version(4)], { hold })
    expect(plan(newer).certificates[0]!.waves.flat()).toContain('sally')
    const issued = fleet.observe(nodes(), [due], { hold })
    expect(plan(issued).certificates[0]!.nodes.every(({ action }) => action === 'install')).toBe(true)
  })

  test('holds add up by node, and are lifted by node', () => {
    const both = mergeHolds(hold, { nodes: { sally: 2, esme: 5 }, since: '2026-11-24T00:00:00.000Z' })
    expect(both.nodes).toEqual({ sally: 3, esme: 5 })
    expect(liftHold(both, ['sally'])?.nodes).toEqual({ esme: 5 })
    expect(liftHold(both, ['sally', 'esme'])).toBeUndefined()
    expect(liftHold(both, undefined)).toBeUndefined()
  })
})

test('what is unsafe for one certificate is refused for it alone', () => {
  const other = { ...fleet.certificate, name: 'other', names: ['other.example'], nodes: [] }
  const first = fleet.observe(fleet.fleetAt(3), [fleet.version(3, { names: ['else.example'] })])
  const facts = { versions: [], highest: 0, challenges: [] }
  const cas = [{ name: 'ca', directory: 'https://acme-staging.test/dir' }]
  const observed = { ...first, cas, certificates: { ...first.certificates, other: facts } }
  const certificates = [fleet.certificate, other]
  const input = { certificates, observed }
  const safe = refuseUnsafe(plan(observed, { certificates }), input)
  expect(safe.certificates.map(({ issuance }) => issuance.kind)).toEqual(['refuse', 'issue'])
  expect(safe.certificates[0]).toMatchObject({
    waves: [],
    issuance: {
      errors: [{ hints: ['when this is what you want: certs rollout media.hachyderm.io --force'] }],
    },
  })
})
