import { describe, expect, test } from 'vitest'
import { AcmeError } from '../../src/core/errors.ts'
import { startPebble } from '../lab/pebble.ts'
import { type Fault, type ProxyAnswer, type RequestKind, requestKinds } from '../support/acme-proxy.ts'
import { badNonce, failureOf, pace, problemDocument, useFaultyCa } from '../support/faulty-ca.ts'
import { type Controller, createController } from '../support/issuing.ts'
import { nonsense, passing } from '../support/bad-answers.ts'
import { createLedger } from '../support/pebble-ledger.ts'

const all = process.env['CERTS_FAULTS'] === 'all'

const faulty = useFaultyCa()

/** What is only asked when an order was lost, and what an issuance never asks. */
const rare: readonly RequestKind[] = ['account', 'orders', 'renewalInfo', 'keyChange', 'revokeCert']
const always = requestKinds.filter((kind) => !rare.includes(kind))

function sample<T>(list: readonly T[], every: number): readonly T[] {
  if (all) return list
  const from = Math.floor(Math.random() * every)
  return list.filter((_, index) => index % every === from)
}

describe('one bad answer does not fail the run', () => {
  const pairs = always.flatMap((kind) => Object.keys(passing).map((what) => [kind, what] as const))
  test.for(sample(pairs, 5))('%s: %s', async ([kind, what]) => {
    const fault = passing[what]
    if (fault === undefined) throw new Error(what)
    faulty.proxy.fault(kind, fault, { times: 1, unless: badNonce })
    expect(await faulty.converges()).toBeUndefined()
  })
})

describe('an answer that makes no sense is named, and the next run goes on', () => {
  const kinds = always.filter((kind) => !['nonce', 'newAccount', 'challenge', 'certificate'].includes(kind))
  const pairs = kinds.flatMap((kind) => Object.keys(nonsense).map((what) => [kind, what] as const))
  test.for(sample(pairs, 3))('%s: %s', async ([kind, what]) => {
    const fault = nonsense[what]
    if (fault === undefined) throw new Error(what)
    faulty.proxy.fault(kind, fault, { times: 1, unless: badNonce })
    const error = await faulty.converges()
    expect(error?.message).toMatch(
      /at 127\.0\.0\.1:\d+ failed: the CA('s answer has no usable| answered no JSON)/,
    )
  })
})

describe('a CA that goes on failing ends the run in time, and the next run goes on', () => {
  const lasting = [
    'HTTP 500',
    'a connection cut before',
    'a connection cut after the CA has acted',
    'no answer at all',
  ]
  const pairs = always.flatMap((kind) => lasting.map((what) => [kind, what] as const))
  test.for(sample(pairs, 9))('%s: %s', { timeout: 40_000 }, async ([kind, what]) => {
    const fault = passing[what]
    if (fault === undefined) throw new Error(what)
    faulty.proxy.fault(kind, fault, { unless: badNonce })
    const error = await faulty.converges()
    // What the CA did although no answer came is found out, so finalize and the challenge may well succeed.
    if (error !== undefined) expect(error.message).toMatch(/ at 127\.0\.0\.1:\d+ failed: /)
  })
})

test('a finalize whose answer is cut leads to no other order', async () => {
  faulty.proxy.fault('finalize', { do: 'cut', when: 'after' }, { unless: badNonce })
  expect(await faulty.converges()).toBeUndefined()
})

test('an order that is processing for ever is left for the next run', async () => {
  const processing = (answer: ProxyAnswer): ProxyAnswer => ({
    ...answer,
    body: answer.body.replace(/"status": "(valid|processing)"/, '"status": "processing"'),
  })
  faulty.proxy.fault('finalize', { do: 'edit', edit: processing })
  faulty.proxy.fault('order', { do: 'edit', edit: processing })
  const error = await faulty.converges()
  expect(error?.message).toMatch(
    /^the CA has not finished the order of fault-\d+\.example: it is still processing$/,
  )
  expect(error?.hints[0]).toMatch(/^run it again later, and the same order is taken up: https:/)
})

test('a certificate URL that is not there yet is asked again, and finalize is not', async () => {
  faulty.proxy.fault('certificate', { do: 'answer', status: 404 }, { times: 3 })
  expect(await faulty.converges()).toBeUndefined()
})

describe('Retry-After', () => {
  const limited = (header: string | undefined, status = 429): Fault => ({
    do: 'answer',
    status,
    headers: {
      'content-type': 'application/problem+json',
      ...(header !== undefined && { 'retry-after': header }),
    },
    body: problemDocument(
      'rateLimited',
      'too many certificates (5) already issued for this exact set of identifiers',
    ),
  })
  const inAnHour = (): string => new Date(Date.now() + 3_600_000).toUTCString()

  test.for([
    ['3600', 3_600_000],
    ['a date', 3_600_000],
    ['31536000', 31_536_000_000],
    ['99999999999999999999', 31_622_400_000],
    ['garbage', undefined],
    ['-5', undefined],
    ['', undefined],
  ] as const)(
    'of %j with a rate limit ends the run at once, telling until when',
    async ([header, expected]) => {
      await using controller = await createController()
      const { run } = faulty.order()
      faulty.proxy.fault('newOrder', limited(header === 'a date' ? inAnHour() : header))
      const error = await failureOf(run(controller))
      expect(error).toMatchObject({ type: 'rateLimited', status: 429 })
      expect(faulty.proxy.count('newOrder')).toBe(1)
      if (expected === undefined) {
        expect(error.retryAfterMs).toBeUndefined()
        expect(error.hints).toEqual(['run it again later: the CA refuses until then'])
      } else {
        expect(Math.abs((error.retryAfterMs ?? 0) - expected)).toBeLessThan(3_000)
        expect(error.message).toMatch(/\(rateLimited, HTTP 429, until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)$/)
      }
    },
  )

  test.for(['0', '1', 'past'] as const)('of %s is waited for', async (header) => {
    const value = header === 'past' ? new Date(Date.now() - 3_600_000).toUTCString() : header
    faulty.proxy.fault('newOrder', limited(value), { times: 1 })
    faulty.proxy.fault('authorization', limited(value, 503), { times: 1 })
    expect(await faulty.converges()).toBeUndefined()
  })

  test.for(['garbage', '-1', '1e9'])('of %s with a failing CA falls back to our own pace', async (header) => {
    faulty.proxy.fault('order', limited(header, 503), { times: 2 })
    expect(await faulty.converges()).toBeUndefined()
  })
})

describe('nonces', () => {
  test('that answers leave out are asked for', async () => {
    const without = (answer: ProxyAnswer): ProxyAnswer => ({
      ...answer,
      headers: Object.fromEntries(Object.entries(answer.headers).filter(([name]) => name !== 'replay-nonce')),
    })
    for (const kind of always) if (kind !== 'nonce') faulty.proxy.fault(kind, { do: 'edit', edit: without })
    expect(await faulty.converges()).toBeUndefined()
  })

  test('that are no nonces are not used', async () => {
    const long = (answer: ProxyAnswer): ProxyAnswer => ({
      ...answer,
      headers: { ...answer.headers, 'replay-nonce': 'a'.repeat(10_000) },
    })
    faulty.proxy.fault('nonce', { do: 'edit', edit: long })
    const error = await faulty.converges()
    expect(error?.message).toMatch(/^getting a nonce at .* failed: the CA sent none that can be used$/)
  })

  test('are refused every other time by some CAs, which is got along with', { timeout: 60_000 }, async () => {
    await using chaotic = await startPebble({
      dnsServer: faulty.dns.dnsServer,
      ca: faulty.ca,
      env: { PEBBLE_WFE_NONCEREJECT: '50' },
    })
    await using controller = await createController()
    const acme = { directory: chaotic.directory, contact: [], caBundle: chaotic.caBundle }
    await controller.issue({ names: ['nonce.example'], acme, solver: faulty.solver })
  })

  test('that are always refused end the run with fewer than a hundred requests', async () => {
    await using refusing = await startPebble({
      dnsServer: faulty.dns.dnsServer,
      ca: faulty.ca,
      env: { PEBBLE_WFE_NONCEREJECT: '100' },
    })
    await using controller = await createController()
    const acme = { directory: refusing.directory, contact: [], caBundle: refusing.caBundle }
    const error = await failureOf(controller.issue({ names: ['nonce.example'], acme, solver: faulty.solver }))
    expect(error).toMatchObject({ type: 'badNonce', status: 400 })
    expect(refusing.log().match(/calling handler/g)?.length).toBeLessThan(100)
  })
})

describe('an order that can not be taken up', () => {
  async function interrupted(name: string, controller: Controller): Promise<void> {
    const acme = faulty.acme()
    const failing = { ...faulty.solver, waitUntilSeen: () => Promise.reject(new AcmeError('stopped')) }
    await failureOf(controller.issue({ names: [name], acme, solver: failing, pace }))
  }

  const causes: readonly (readonly [what: string, kind: RequestKind, fault: Fault])[] = [
    ['is not known any more', 'order', { do: 'answer', status: 404 }],
    [
      'is invalid',
      'order',
      { do: 'edit', edit: (a) => ({ ...a, body: a.body.replace('"pending"', '"invalid"') }) },
    ],
    [
      'has an expired authorization',
      'authorization',
      { do: 'edit', edit: (a) => ({ ...a, body: a.body.replaceAll('"pending"', '"expired"') }) },
    ],
  ]
  test.for(causes)('because it %s is followed by one new order', async ([, kind, fault]) => {
    await using controller = await createController()
    const name = faulty.order().name
    await interrupted(name, controller)
    const ledger = createLedger(faulty.pebble)
    faulty.proxy.reset()
    faulty.proxy.fault(kind, fault, { times: 1, unless: badNonce })
    const acme = faulty.acme()
    await controller.issue({ names: [name], acme, solver: faulty.solver, pace })
    expect(ledger()).toEqual({ accounts: 0, orders: 1, certificates: 1 })
    expect(await faulty.solver.values(`_acme-challenge.${name}`)).toEqual([])
  })
})

test('an account that the CA does not know any more is said so, and its key is kept', async () => {
  await using controller = await createController()
  const { run } = faulty.order()
  await run(controller)
  const [document = ''] = await controller.store.list('accounts')
  const before = await controller.store.get(document)
  faulty.proxy.reset()
  faulty.proxy.fault('newOrder', {
    do: 'answer',
    status: 400,
    body: problemDocument('accountDoesNotExist', 'no account for key'),
  })
  const error = await failureOf(faulty.order().run(controller))
  expect(error.message).toMatch(/failed: no account for key \(accountDoesNotExist, HTTP 400\)$/)
  expect(error.hints[0]).toContain('the CA does not know our account any more')
  expect(await controller.store.get(document)).toEqual(before)
})

test('a CA that is gone when an order is to be taken up is left alone in seconds', async () => {
  await using controller = await createController()
  const { name, run } = faulty.order()
  faulty.proxy.reset()
  faulty.proxy.fault('finalize', { do: 'answer', status: 400, body: problemDocument('badCSR') })
  await failureOf(run(controller))
  faulty.proxy.reset()
  for (const kind of requestKinds) faulty.proxy.fault(kind, { do: 'cut', when: 'before' })
  const start = performance.now()
  const patient = { ...pace, firstRetryMs: 500, retryMs: 20_000 }
  const error = await failureOf(
    controller.issue({ names: [name], acme: faulty.acme(), solver: faulty.solver, pace: patient }),
  )
  expect(error.message).toMatch(/^reading the directory at \S+ failed: connection reset$/)
  expect(performance.now() - start).toBeLessThan(2_500)
  expect(requestKinds.map((kind) => faulty.proxy.count(kind)).reduce((a, b) => a + b)).toBeLessThan(8)
})

test('a CA that can not be reached is said so at once', async () => {
  await using controller = await createController()
  const acme = { directory: 'https://127.0.0.1:9/dir', contact: [] }
  const start = performance.now()
  const error = await failureOf(
    controller.issue({ names: ['down.example'], acme, solver: faulty.solver, pace }),
  )
  expect(performance.now() - start).toBeLessThan(2_000)
  expect(error.message).toBe('reading the directory at 127.0.0.1:9 failed: connection refused')
  expect(error.hints[0]).toContain('curl -sSv -o /dev/null https://127.0.0.1:9/')
})
