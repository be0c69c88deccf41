import { describe, expect, test } from 'vitest'
import { revoke } from '../../src/acme/revoke.ts'
import type { Version } from '../../src/core/certificate.ts'
import { nonsense, passing } from '../support/bad-answers.ts'
import { badNonce, failureOf, pace, problemDocument, useFaultyCa } from '../support/faulty-ca.ts'
import { statusOf } from '../support/pebble-status.ts'
import { type Controller, createController } from '../support/issuing.ts'

const faulty = useFaultyCa()

async function revokeAtCa({ store }: Controller, version: Version): Promise<void> {
  const signal = new AbortController().signal
  const deps = { store, emit: () => undefined, now: () => new Date(), signal, run: 'test', pace }
  await revoke({ version, reason: 'superseded', acmes: [faulty.acme()] }, deps)
}

describe('one bad answer does not fail a revocation', () => {
  test.for(Object.entries({ ...passing, ...nonsense }))('%s', async ([, fault]) => {
    await using controller = await createController()
    const version = (await faulty.order().run(controller)) as Version
    faulty.proxy.fault('revokeCert', fault, { times: 1, unless: badNonce })
    await revokeAtCa(controller, version)
    expect(await statusOf(faulty.pebble, version.leaf)).toBe('Revoked 4')
    // Again is success.
    await revokeAtCa(controller, version)
  })
})

test('a refusal is told in the CA’s words', async () => {
  await using controller = await createController()
  const version = (await faulty.order().run(controller)) as Version
  const body = problemDocument('badRevocationReason', 'not this reason')
  faulty.proxy.fault('revokeCert', { do: 'answer', status: 400, body })
  const error = await failureOf(revokeAtCa(controller, version))
  expect(error.message).toMatch(
    /^revoking the certificate at 127\.0\.0\.1:\d+ failed: not this reason \(badRevocationReason, HTTP 400\)$/,
  )
  expect(faulty.proxy.count('revokeCert')).toBe(1)
  expect(await statusOf(faulty.pebble, version.leaf)).toBe('Valid')
})
