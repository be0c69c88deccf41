import { expect, test } from 'vitest'
import { makePlan } from '../../src/core/make-plan.ts'
import type { Observed } from '../../src/core/observed.ts'
import { planRollBack } from '../../src/core/roll-back.ts'
import { checkSafety, refuseUnsafe } from '../../src/core/safety.ts'
import * as fleet from '../support/observed.ts'

const production = 'https://ca.example/directory'

interface Change {
  readonly directory?: string
  readonly toVersion?: number
  readonly forceRenew?: boolean
  readonly maxNodes?: number
}

function refusal(
  seen: Observed,
  { directory = production, toVersion, forceRenew = false, maxNodes }: Change,
): string | undefined {
  const observed = { ...seen, cas: [{ ...fleet.ca, directory }] }
  const certificates = [fleet.certificate]
  const plan = makePlan({ certificates, rollout: fleet.rollout, forceRenew, toVersion }, observed)
  return checkSafety(plan, { certificates, observed, maxNodes })?.message
}

function servingOn(number: number, change: Parameters<typeof fleet.leafOf>[1]) {
  const node = {
    ...fleet.nodeAt(number),
    served: { [fleet.name]: [fleet.served(fleet.leafOf(number, change))] },
  }
  return Object.fromEntries(fleet.cdn.map((name) => [name, node]))
}

test('an ordinary renewal is safe', () => {
  expect(refusal(fleet.observe(fleet.fleetAt(2), []), {})).toBeUndefined()
})

test('refuses to lose names that are served', () => {
  const observed = fleet.observe(servingOn(3, { names: [fleet.name, 'files.hachyderm.io'] }), [])
  expect(refusal(observed, {})).toContain('would lose 1 of 2 names served now on 4 nodes: files.hachyderm.io')
})

test('names of an expired certificate are not missed', () => {
  expect(
    refusal(fleet.observe(servingOn(2, { names: [fleet.name, 'files.hachyderm.io'] }), []), {}),
  ).toBeUndefined()
})

test('refuses a staging CA over a trusted certificate', () => {
  const observed = fleet.observe(fleet.fleetAt(3), [])
  const directory = 'https://acme-staging-v02.api.letsencrypt.org/directory'
  expect(refusal(observed, { directory })).toContain('one of a staging CA would replace it on 4 nodes')
})

test('staging over nothing but an expired certificate is allowed', () => {
  const directory = 'https://acme-staging-v02.api.letsencrypt.org/directory'
  expect(refusal(fleet.observe(fleet.fleetAt(2), []), { directory })).toBeUndefined()
})

test('refuses to bring an expired version', () => {
  const observed = fleet.observe(fleet.fleetAt(3), [fleet.version(2), fleet.version(3)])
  expect(refusal(observed, { toVersion: 2 })).toContain('expired 10 hours ago')
})

test('a stored version of a staging CA goes over a trusted certificate no more than a new one does', () => {
  const stored = [fleet.version(3), fleet.version(4, { issuer: '(STAGING) Ersatz Edamame E1' })]
  expect(refusal(fleet.observe(fleet.fleetAt(3), stored), {})).toBe(
    'the plan was refused: media.hachyderm.io is served with a certificate by R10, and one of a staging CA would replace it on 4 nodes',
  )
})

test('rolling back to a version with fewer names is refused, with the nodes that would lose them', () => {
  const more = { names: [fleet.name, 'a.hachyderm.io', 'b.hachyderm.io'] }
  const nodes = { ...fleet.fleetAt(4), ...servingOn(4, more), sally: fleet.nodeAt(4) }
  const observed = fleet.observe(nodes, [fleet.version(3), fleet.version(4)])
  const certificates = [fleet.certificate]
  const request = { certificate: fleet.certificate, rollout: fleet.rollout, toVersion: 3, only: undefined }
  const plan = planRollBack(request, observed)
  expect(checkSafety(plan, { certificates, observed })?.message).toBe(
    'the plan was refused: media.hachyderm.io would lose 2 of 3 names served now on 3 nodes: a.hachyderm.io, b.hachyderm.io',
  )
})

test('a wildcard covers the names that it stands for', () => {
  const observed = fleet.observe(servingOn(3, { names: ['media.hachyderm.io'] }), [])
  const certificates = [{ ...fleet.certificate, names: ['*.hachyderm.io'] }]
  const plan = makePlan({ certificates, rollout: fleet.rollout, forceRenew: true }, observed)
  expect(checkSafety(plan, { certificates, observed })).toBeUndefined()
})

test('of many names ten are told', () => {
  const names = Array.from({ length: 30 }, (_, index) => `n${index}.hachyderm.io`)
  const said = refusal(fleet.observe(servingOn(3, { names }), []), {})
  expect(said).toContain('would lose 30 of 30 names served now on 4 nodes: n0.hachyderm.io, ')
  expect(said).toMatch(/n9\.hachyderm\.io and 20 more$/)
})

test.each([
  [4, undefined],
  [3, 'the plan was refused: 4 nodes would be changed by one run, and rollout.maxNodes is 3'],
  [undefined, undefined],
])('with maxNodes %s: %s', (maxNodes, said) => {
  const observed = fleet.observe(fleet.fleetAt(2), [fleet.version(3)])
  expect(refusal(observed, maxNodes === undefined ? {} : { maxNodes })).toBe(said)
})

test('nodes that are right already, and those that can not be changed, do not count against maxNodes', () => {
  const gone = { error: { message: 'sally: connection refused', hints: [] }, served: {} }
  const nodes = { ...fleet.fleetAt(2), esme: fleet.nodeAt(3), sally: gone }
  expect(refusal(fleet.observe(nodes, [fleet.version(3)]), { maxNodes: 2 })).toBeUndefined()
})

test('where nobody can be asked, the first certificates are done up to maxNodes, and the others refused with the number', () => {
  const certificate = (name: string, nodes: readonly string[]) => ({ ...fleet.certificate, name, nodes })
  const [one, two, three] = [
    certificate('one', ['cdn-frankfurt-1', 'sally']),
    certificate('two', ['esme']),
    certificate('three', ['sally']),
  ] as const
  const certificates = [one, two, three]
  const facts = fleet.observe({}, [fleet.version(3)]).certificates[fleet.name]!
  const observed = {
    ...fleet.observe(fleet.fleetAt(2), []),
    certificates: { one: facts, two: facts, three: facts },
  }
  const plan = makePlan({ certificates, rollout: fleet.rollout, forceRenew: false }, observed)
  const safe = refuseUnsafe(plan, { certificates, observed, maxNodes: 2 })
  expect(safe.certificates.map(({ issuance, waves }) => [issuance.kind, waves.flat()])).toEqual([
    ['keep', ['cdn-frankfurt-1', 'sally']],
    ['refuse', []],
    ['keep', ['sally']],
  ])
  expect(safe.certificates[1]).toMatchObject({
    issuance: {
      errors: [
        {
          message:
            'the plan was refused: with two, 3 nodes would be changed by one run, and rollout.maxNodes is 2',
          hints: ['when this is what you want: certs rollout two --force'],
        },
      ],
    },
    nodes: [{ node: 'esme', action: 'waiting' }],
  })
})
