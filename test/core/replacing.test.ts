import { expect, test } from 'vitest'
import { limitsOf } from '../../src/core/budget.ts'
import { makePlan } from '../../src/core/make-plan.ts'
import type { CertificateObservation, Observed } from '../../src/core/observed.ts'
import * as fleet from '../support/observed.ts'

const limits = limitsOf('https://acme-v02.api.letsencrypt.org/directory')!
const revoked = { start: '2026-11-20T00:00:00.000Z', end: '2026-11-21T00:00:00.000Z' }

/** Sixty certificates of one registered domain: ten more than Let's Encrypt issues for it in a week. */
function kindsWith(change: Partial<CertificateObservation>): string[] {
  const names = Array.from({ length: 60 }, (_, index) => `s${index}.hachyderm.io`)
  const certificates = names.map((name) => ({ ...fleet.certificate, name, names: [name], nodes: [] }))
  const facts = (name: string): CertificateObservation => ({
    versions: [fleet.version(3, { names: [name] })],
    highest: 3,
    challenges: [],
    domains: ['hachyderm.io'],
    ...change,
  })
  const observed: Observed = {
    now: fleet.now,
    nodes: {},
    certificates: Object.fromEntries(names.map((name) => [name, facts(name)])),
    cas: [{ ...fleet.ca, budget: { limits, spent: [] } }],
  }
  const request = { certificates, rollout: fleet.rollout, forceRenew: true }
  return makePlan(request, observed).certificates.map(({ issuance }) => issuance.kind)
}

test('what the CA knows and is asked to replace is not held up by limits that do not count it', () => {
  expect(new Set(kindsWith({ suggestion: revoked }))).toEqual(new Set(['issue']))
})

test('without the CA knowing it, the limits count', () => {
  const kinds = kindsWith({})
  expect(kinds.filter((kind) => kind === 'issue')).toHaveLength(50)
  expect(kinds.filter((kind) => kind === 'keep')).toHaveLength(10)
})
