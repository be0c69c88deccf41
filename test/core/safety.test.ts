import { expect, test } from 'vitest'
import { makePlan } from '../../src/core/make-plan.ts'
import type { Observed } from '../../src/core/observed.ts'
import { checkSafety } from '../../src/core/safety.ts'
import * as fleet from '../support/observed.ts'

const production = 'https://ca.example/directory'

interface Change {
  readonly directory?: string
  readonly toVersion?: number
  readonly forceRenew?: boolean
}

function refusal(
  observed: Observed,
  { directory = production, toVersion, forceRenew = false }: Change,
): string | undefined {
  const certificates = [fleet.certificate]
  const plan = makePlan({ certificates, rollout: fleet.rollout, forceRenew, toVersion }, observed)
  return checkSafety(plan, { certificates, observed, directory })?.message
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
  expect(refusal(observed, {})).toContain('would lose 1 of the names served now: files.hachyderm.io')
})

test('names of an expired certificate are not missed', () => {
  expect(
    refusal(fleet.observe(servingOn(2, { names: [fleet.name, 'files.hachyderm.io'] }), []), {}),
  ).toBeUndefined()
})

test('refuses a staging CA over a trusted certificate', () => {
  const observed = fleet.observe(fleet.fleetAt(3), [])
  const directory = 'https://acme-staging-v02.api.letsencrypt.org/directory'
  expect(refusal(observed, { directory })).toContain('a staging CA would replace it on 4 endpoints')
})

test('staging over nothing but an expired certificate is allowed', () => {
  const directory = 'https://acme-staging-v02.api.letsencrypt.org/directory'
  expect(refusal(fleet.observe(fleet.fleetAt(2), []), { directory })).toBeUndefined()
})

test('refuses to bring an expired version', () => {
  const observed = fleet.observe(fleet.fleetAt(3), [fleet.version(2), fleet.version(3)])
  expect(refusal(observed, { toVersion: 2 })).toContain('expired 10 hours ago')
})
