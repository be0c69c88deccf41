import { describe, expect, test } from 'vitest'
import { limitsOf } from '../../src/core/budget.ts'
import { makePlan } from '../../src/core/make-plan.ts'
import type { PlanRequest } from '../../src/core/make-plan.ts'
import type { CaLook, CaState, CertificateObservation, Observed } from '../../src/core/observed.ts'
import { plainPaint } from '../../src/core/paint.ts'
import type { Issuing } from '../../src/core/plan.ts'
import { renderPlan } from '../../src/core/render-plan.ts'
import { renderStatus } from '../../src/core/render-status.ts'
import { checkSafety } from '../../src/core/safety.ts'
import * as fleet from '../support/observed.ts'

const letsEncrypt = {
  name: "Let's Encrypt",
  directory: 'https://acme-v02.api.letsencrypt.org/directory',
}
const zeroSsl = { name: 'ZeroSSL', directory: 'https://acme.zerossl.com/v2/DV90' }
const limits = limitsOf(letsEncrypt.directory)!
const cas: readonly CaState[] = [letsEncrypt, zeroSsl]

const due = fleet.version(3, { notBefore: '2026-09-14T12:00:00.000Z', notAfter: '2026-12-13T12:00:00.000Z' })
const dueNode = () => ({ ...fleet.nodeAt(3), served: { [fleet.name]: [fleet.served(due.leaf)] } })
const dueFleet = Object.fromEntries(fleet.cdn.map((node) => [node, dueNode()]))

const see = (facts: Partial<CertificateObservation> = {}, change: Partial<Observed> = {}): Observed => ({
  ...fleet.observe(dueFleet, [due], facts),
  cas,
  ...change,
})
const request: PlanRequest = { certificates: [fleet.certificate], rollout: fleet.rollout, forceRenew: false }
const plan = (observed: Observed, change: Partial<PlanRequest> = {}) =>
  makePlan({ ...request, ...change }, observed)
const issuance = (observed: Observed, change: Partial<PlanRequest> = {}) =>
  plan(observed, change).certificates[0]!.issuance
const look = ({ directory }: CaState, change: Partial<CaLook> = {}): CaLook => ({
  directory,
  refusals: [],
  faults: [],
  warnings: [],
  ...change,
})
const fact = (message: string) => ({ message, hints: [] })
const refusedUntil = ({ directory }: CaState, until: string) => ({
  attempts: {
    failures: 0,
    at: '2026-11-23T11:00:00.000Z',
    because: 'a version came of it',
    refusals: { [directory]: { until, because: 'too many certificates' } },
  },
})

test('the first CA is used, and the others stand behind it', () => {
  expect(issuance(see())).toMatchObject({ ca: letsEncrypt, passedOver: [], next: [zeroSsl], resumes: false })
})

test('a CA that refuses is passed over until it does not any more; the plan says so', () => {
  const facts = refusedUntil(letsEncrypt, '2026-11-23T14:00:00.000Z')
  const observed = see(facts)
  expect(renderPlan(plan(observed), plainPaint).split('\n').slice(0, 3)).toEqual([
    'media.hachyderm.io',
    '  + issue version 4 by ZeroSSL, because it expires in 20 days',
    "      Let's Encrypt was passed over: it refuses until 2026-11-23 14:00 UTC: too many certificates",
  ])
  const later = new Date('2026-11-23T14:00:00.000Z')
  expect(issuance({ ...observed, now: later })).toMatchObject({ ca: letsEncrypt, passedOver: [] })
})

test.each([
  ['is down', { down: fact('no answer') }],
  ['may not issue, by CAA', { refusals: [fact('no answer')] }],
])('a CA that %s is passed over', (_what, change) => {
  const looks = [look(letsEncrypt, change), look(zeroSsl, { warnings: [fact('slow')] })]
  expect(issuance(see({ looks }))).toMatchObject({
    ca: zeroSsl,
    passedOver: [{ name: "Let's Encrypt", because: 'no answer' }],
    next: [],
    warnings: [fact('slow')],
  })
})

test('what a person must mend is not got round by another CA', () => {
  const looks = [look(letsEncrypt, { faults: [fact('the clock is wrong')] }), look(zeroSsl)]
  expect(issuance(see({ looks }))).toMatchObject({ kind: 'refuse', errors: [fact('the clock is wrong')] })
})

test('what is wrong with a fallback keeps no other CA from being tried', () => {
  const third = { name: 'Third', directory: 'https://third.example/dir' }
  const wrong = look(zeroSsl, { faults: [{ message: 'no such profile', hints: ['correct it'] }] })
  const looks = [look(letsEncrypt, { down: fact('no answer') }), wrong]
  expect(issuance(see({ looks }))).toMatchObject({
    ca: letsEncrypt,
    next: [],
    warnings: [
      fact('no answer'),
      { message: 'nor can ZeroSSL be used: no such profile', hints: ['correct it'] },
    ],
  })
  const more = see({ looks: [...looks, look(third)] }, { cas: [...cas, third] })
  expect(issuance(more)).toMatchObject({ ca: third })
})

test('a limit of ours on one CA is none on the other, counted for each in one plan', () => {
  const names = Array.from({ length: 52 }, (_, index) => `s${index}.hachyderm.io`)
  const certificates = names.map((name) => ({ ...fleet.certificate, name, names: [name], nodes: [] }))
  const facts = { versions: [], highest: 0, challenges: [], domains: ['hachyderm.io'] }
  const observed: Observed = {
    now: fleet.now,
    nodes: {},
    certificates: Object.fromEntries(names.map((name) => [name, facts])),
    cas: [{ ...letsEncrypt, budget: { limits, spent: [] } }, zeroSsl],
  }
  const made = plan(observed, { certificates }).certificates.map((one) => (one.issuance as Issuing).ca.name)
  expect(made.filter((name) => name === "Let's Encrypt")).toHaveLength(50)
  expect(made.slice(50)).toEqual(['ZeroSSL', 'ZeroSSL'])
})

test('limits that a replacement is free of count for the CA that did not issue what is replaced', () => {
  const suggestion = { start: '2026-11-20T00:00:00.000Z', end: '2026-11-21T00:00:00.000Z' }
  const observed = (issuedBy: string | undefined) =>
    see({ suggestion, issuedBy, domains: [] }, { cas: [{ ...letsEncrypt, budget: { limits, spent: [] } }] })
  expect(issuance(observed(letsEncrypt.directory))).not.toHaveProperty('usages')
  expect(issuance(observed(undefined))).not.toHaveProperty('usages')
  expect(issuance(observed(zeroSsl.directory))).toHaveProperty('usages')
})

describe('when no CA is left', () => {
  test('the certificate waits for the one that takes orders first, and the reasons of all are said', () => {
    const facts = {
      attempts: {
        ...refusedUntil(letsEncrypt, '2026-11-23T14:00:00.000Z').attempts,
        refusals: {
          [letsEncrypt.directory]: { until: '2026-11-23T14:00:00.000Z', because: 'too many' },
          [zeroSsl.directory]: { until: '2026-11-23T13:00:00.000Z', because: 'quota' },
        },
      },
    }
    expect(issuance(see(facts))).toMatchObject({
      kind: 'keep',
      parked: {
        by: 'CA',
        until: '2026-11-23T13:00:00.000Z',
        because:
          "Let's Encrypt: it refuses until 2026-11-23 14:00 UTC: too many; ZeroSSL: it refuses until 2026-11-23 13:00 UTC: quota",
      },
    })
    // A person does not get round what the CAs said.
    expect(issuance(see(facts), { insistent: true })).toMatchObject({ parked: { by: 'CA' } })
  })

  test('our own pause after failures holds for all of them, and not against a person', () => {
    const attempts = { failures: 2, at: '2026-11-23T11:55:00.000Z', because: 'no CA issued it' }
    expect(issuance(see({ attempts }))).toMatchObject({ parked: { by: 'pause' } })
    expect(issuance(see({ attempts }), { insistent: true })).toMatchObject({ ca: letsEncrypt })
  })

  test('all refusals are told', () => {
    const looks = [look(letsEncrypt, { refusals: [fact('one')] }), look(zeroSsl, { refusals: [fact('two')] })]
    expect(issuance(see({ looks }))).toMatchObject({ kind: 'refuse', errors: [fact('one'), fact('two')] })
  })

  test('one that is down is tried, and what is known of the others is heeded', () => {
    const third = { name: 'Third', directory: 'https://third.example/dir' }
    const looks = [
      look(letsEncrypt, { down: fact('one') }),
      look(zeroSsl, { refusals: [fact('two')] }),
      look(third, { down: fact('three') }),
    ]
    expect(issuance(see({ looks }, { cas: [...cas, third] }))).toMatchObject({
      kind: 'issue',
      ca: letsEncrypt,
      passedOver: [],
      next: [third],
      warnings: [fact('one'), fact('nor can ZeroSSL be used: two'), fact('nor can Third be used: three')],
    })
  })
})

describe('an order under way', () => {
  const at = (ca: CaState, finalizing = false) => ({
    underway: fleet.underway(4, { directory: ca.directory, finalizing }),
  })
  const down = [look(zeroSsl, { down: fact('no answer') }), look(letsEncrypt)]

  test('is finished where it was made, although the first CA is back', () => {
    expect(issuance(see(at(zeroSsl)))).toMatchObject({ ca: zeroSsl, resumes: true, number: 4 })
    expect(renderPlan(plan(see(at(zeroSsl))), plainPaint)).toContain(
      '+ finish the order of version 4 by ZeroSSL, because',
    )
  })

  test('that the CA never answered for binds nobody', () => {
    const underway = { ...at(zeroSsl).underway, ordered: false }
    expect(issuance(see({ underway }))).toMatchObject({ ca: letsEncrypt, resumes: false, number: 4 })
  })

  test('is left when its CA is down and no certificate can have come of it', () => {
    expect(issuance(see({ ...at(zeroSsl), looks: down }))).toMatchObject({
      ca: letsEncrypt,
      resumes: false,
      number: 4,
      passedOver: [{ name: 'ZeroSSL', because: 'no answer' }],
    })
  })

  test('is waited for once its certificate may be there: never two for one version', () => {
    expect(issuance(see({ ...at(zeroSsl, true), looks: down }))).toMatchObject({
      ca: zeroSsl,
      resumes: true,
      number: 4,
    })
    const refused = { ...at(zeroSsl, true), ...refusedUntil(zeroSsl, '2026-11-24T12:00:00.000Z') }
    expect(issuance(see(refused))).toMatchObject({ kind: 'keep', parked: { by: 'CA' } })
  })

  test('is given up when there is no time left, and its number with it', () => {
    const late = fleet.version(3, {
      notBefore: '2026-09-01T12:00:00.000Z',
      notAfter: '2026-11-30T12:00:00.000Z',
    })
    const observed = { ...fleet.observe(dueFleet, [late], { ...at(zeroSsl, true), looks: down }), cas }
    expect(issuance(observed)).toMatchObject({ ca: letsEncrypt, resumes: false, number: 5, late: true })
  })
})

describe('a staging CA', () => {
  const staging = { name: 'staging', directory: 'https://acme-staging.example/dir' }
  const observed = see({}, { cas: [letsEncrypt, staging] })

  test('is no way out for nodes that serve a trusted certificate', () => {
    expect(issuance(observed)).toMatchObject({ ca: letsEncrypt, next: [] })
    const expired = { ...fleet.observe(fleet.fleetAt(2), []), cas: [letsEncrypt, staging] }
    expect(issuance(expired)).toMatchObject({ next: [staging] })
  })

  test('that the plan would use is refused, whichever comes first', () => {
    const looks = [look(letsEncrypt, { down: fact('no answer') }), look(staging)]
    const seen = { ...observed, certificates: see({ looks }).certificates }
    const safety = { certificates: [fleet.certificate], observed: seen }
    expect(checkSafety(plan(seen), safety)?.message).toContain(
      'one of a staging CA would replace it on 4 nodes',
    )
    expect(checkSafety(plan(observed), { ...safety, observed })).toBeUndefined()
  })
})

test('status says who issued what is stored, where there is a choice', () => {
  const status = (issuedBy: string | undefined, configured = cas) => {
    const observed = see({ issuedBy }, { cas: configured })
    return renderStatus(plan(observed), observed, plainPaint).split('\n')[0]
  }
  expect(status(zeroSsl.directory)).toContain('version 3 is stored, issued by ZeroSSL, valid for 20 days')
  expect(status('https://gone.example/dir')).toContain(
    'issued by https://gone.example/dir, which is not configured, valid',
  )
  for (const line of [status(undefined), status(zeroSsl.directory, [zeroSsl])])
    expect(line).toContain('version 3 is stored, valid for 20 days')
})
