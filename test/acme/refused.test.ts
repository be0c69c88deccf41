import { describe, expect, test } from 'vitest'
import { openAccountFile } from '../../src/acme/account-record.ts'
import { openOrderFile } from '../../src/acme/order-record.ts'
import type { KeptKey } from '../../src/core/kept-key.ts'
import { startPebble } from '../lab/pebble.ts'
import type { Fault, ProxyAnswer } from '../support/acme-proxy.ts'
import { badNonce, failureOf, pace, problemDocument, useFaultyCa } from '../support/faulty-ca.ts'
import { type Controller, createController } from '../support/issuing.ts'
import { createLedger } from '../support/pebble-ledger.ts'

const faulty = useFaultyCa()

const refusing = (status: number, type: string, detail?: string): Fault => ({
  do: 'answer',
  status,
  headers: { 'content-type': 'application/problem+json' },
  body: problemDocument(type, detail),
})

async function keyOf({ store }: Controller, name: string): Promise<KeptKey | undefined> {
  return (await openOrderFile(store, name)).value?.key
}

describe('a finalize that is refused', () => {
  test.for([
    [400, 'badCSR'],
    [403, 'unauthorized'],
    [403, 'orderNotReady'],
  ] as const)('with %i %s is not sent in circles; key and order are kept', async ([status, type]) => {
    await using controller = await createController()
    const { run, name } = faulty.order()
    const ledger = createLedger(faulty.pebble)
    faulty.proxy.fault('finalize', refusing(status, type), { unless: badNonce })
    const error = await failureOf(run(controller))
    expect(error).toMatchObject({ type, status })
    expect(faulty.proxy.count('finalize')).toBeLessThanOrEqual(type === 'orderNotReady' ? 5 : 1)
    const key = await keyOf(controller, name)
    expect(key).toContain('PRIVATE KEY')
    expect(await faulty.solver.values(`_acme-challenge.${name}`)).toEqual([])

    faulty.proxy.reset()
    const version = (await run(controller)) as { key: { reveal(): string } }
    expect(version.key.reveal()).toBe(key)
    expect(ledger()).toEqual({ accounts: 1, orders: 1, certificates: 1 })
  })
})

test('a certificate URL that fails three times is asked again, and finalize is not', async () => {
  faulty.proxy.fault('certificate', { do: 'answer', status: 500 }, { times: 3 })
  expect(await faulty.converges()).toBeUndefined()
  expect(faulty.proxy.count('finalize')).toBe(1)
})

describe('a preferred chain', () => {
  const linked = (links: (own: string) => readonly string[]): Fault => ({
    do: 'edit',
    edit: (answer) => {
      const own = new URL(faulty.proxy.directory).origin
      const link = links(own).map((url) => `<${url}>;rel="alternate"`)
      return { ...answer, headers: { ...answer.headers, link: link.join(', ') } }
    },
  })

  test('that the CA does not have is named with those that it has, and the order is kept for another', async () => {
    await using controller = await createController()
    const { name } = faulty.order()
    const ledger = createLedger(faulty.pebble)
    const settings = { names: [name], solver: faulty.solver, pace }
    const acme = { ...faulty.acme(), preferredChain: 'Nowhere Root' }
    const error = await failureOf(controller.issue({ ...settings, acme }))
    expect(error.message).toBe(`the CA has no chain for ${name} up to "Nowhere Root"`)
    expect(error.hints[0]).toMatch(/^set acme\.preferredChain to one of "Pebble Root CA \w+"/)
    await controller.issue({ ...settings, acme: faulty.acme() })
    expect(ledger()).toEqual({ accounts: 1, orders: 1, certificates: 1 })
  })

  test.for([
    ['to itself', () => []],
    ['in a circle', (own: string) => [`${own}/certZ/a`, `${own}/certZ/a`]],
    ['without an end', (own: string) => Array.from({ length: 100 }, (_, n) => `${own}/certZ/${n}`)],
  ] as const)('is looked for along ten links at most: links %s', async ([, links]) => {
    await using controller = await createController()
    const { name } = faulty.order()
    let first: string | undefined
    const fault = linked((own) => links(own))
    faulty.proxy.fault('certificate', {
      do: 'edit',
      edit: (answer, path) => {
        // A request that pebble refuses for its nonce is sent again.
        if (badNonce(answer)) return answer
        first ??= answer.body
        return fault.do === 'edit' ? fault.edit({ ...answer, status: 200, body: first }, path) : answer
      },
    })
    const acme = { ...faulty.acme(), preferredChain: 'Nowhere Root' }
    const failing = controller.issue({ names: [name], acme, solver: faulty.solver, pace })
    expect((await failureOf(failing)).message).toMatch(/^the CA has no chain for /)
    expect(faulty.proxy.count('certificate')).toBeLessThanOrEqual(12)
  })
})

test('terms that have changed are named with where to read them; nothing is tried again', async () => {
  await using controller = await createController()
  const { run } = faulty.order()
  const body = JSON.stringify({
    type: 'urn:ietf:params:acme:error:userActionRequired',
    detail: 'the terms have changed',
    instance: 'https://ca.example/terms-2026',
  })
  faulty.proxy.fault('newOrder', { do: 'answer', status: 403, body })
  const error = await failureOf(run(controller))
  expect(error.hints).toEqual([
    "read and agree to the CA's terms: https://ca.example/terms-2026, then run it again",
  ])
  expect(faulty.proxy.count('newOrder')).toBe(1)
})

test('an account that a real CA has forgotten is said so, and its key is kept', async () => {
  await using controller = await createController()
  await faulty.order().run(controller)
  const { value: known } = await openAccountFile(controller.store, faulty.acme())
  if (known?.url === undefined) throw new Error('no account')
  await using other = await startPebble({ dnsServer: faulty.dns.dnsServer, ca: faulty.ca })
  const acme = { directory: other.directory, contact: [], caBundle: other.caBundle }
  const url = known.url.replace(new URL(known.url).origin, new URL(other.directory).origin)
  const file = await openAccountFile(controller.store, acme)
  await file.save({ ...known, directory: other.directory, url })
  const forgotten = controller.issue({ names: ['forgotten.example'], acme, solver: faulty.solver, pace })
  const error = await failureOf(forgotten)
  expect(error.type).toBe('accountDoesNotExist')
  expect(error.hints[0]).toContain('the CA does not know our account any more')
  expect((await openAccountFile(controller.store, acme)).value).toEqual(file.value)
  expect(other.log()).not.toContain('There are now 1 accounts')
})

describe('what the CA finds in DNS', () => {
  const invalid = (type: string, detail: string) => (answer: ProxyAnswer) => {
    if (answer.status >= 400 || !answer.body.includes('"challenges"')) return answer
    const body = JSON.parse(answer.body) as { challenges: object[] }
    const error = { type: `urn:ietf:params:acme:error:${type}`, detail, status: 403 }
    const challenges = body.challenges.map((one) => ({ ...one, status: 'invalid', error }))
    return { ...answer, body: JSON.stringify({ ...body, status: 'invalid', challenges }) }
  }
  const failed = (answer: ProxyAnswer): ProxyAnswer => ({
    ...answer,
    body: answer.body.replace(/"status": "(pending|ready|valid)"/, '"status": "invalid"'),
  })

  test.for([
    [
      'caa',
      'CAA record for fault.example prevents issuance',
      'a CAA record of the name or of a parent forbids',
    ],
    ['dns', 'DNS problem: SERVFAIL looking up TXT', 'the CA could not see the TXT record'],
  ] as const)('is quoted with the name, and asked for once: %s', async ([type, detail, hint]) => {
    await using controller = await createController()
    const { run, name } = faulty.order()
    // The first look is as it is; one that pebble refuses for its nonce is none.
    let looks = 0
    const edit = (answer: ProxyAnswer) =>
      answer.status < 400 && looks++ > 0 ? invalid(type, detail)(answer) : answer
    faulty.proxy.fault('authorization', { do: 'edit', edit })
    faulty.proxy.fault('order', { do: 'edit', edit: failed })
    const error = await failureOf(run(controller))
    expect(error.message).toBe(`the CA could not validate ${name}: ${detail} (${type})`)
    expect(error.hints[0]).toContain(hint)
    expect(error.subproblems).toEqual([{ identifier: name, type, detail }])
    expect(faulty.proxy.count('newOrder')).toBe(1)
    expect(faulty.proxy.count('challenge')).toBe(1)
    expect(await faulty.solver.values(`_acme-challenge.${name}`)).toEqual([])
  })

  test('is quoted also when a new order begins with it', async () => {
    await using controller = await createController()
    const { run, name } = faulty.order()
    faulty.proxy.fault('authorization', { do: 'edit', edit: invalid('dns', 'SERVFAIL') })
    const error = await failureOf(run(controller))
    expect(error.message).toBe(`the CA could not validate ${name}: SERVFAIL (dns)`)
    expect(faulty.proxy.count('challenge')).toBe(0)
    // Forgotten: the next run begins a new one.
    faulty.proxy.reset()
    await run(controller)
  })
})
