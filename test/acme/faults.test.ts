import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Pace } from '../../src/acme/pace.ts'
import { AcmeError } from '../../src/core/errors.ts'
import { type ChallengeServer, type Pebble, startChallengeServer, startPebble } from '../lab/pebble.ts'
import {
  type AcmeProxy,
  type Fault,
  type ProxyAnswer,
  type RequestKind,
  requestKinds,
  startAcmeProxy,
} from '../support/acme-proxy.ts'
import { type ChallengeSolver, createChallengeSolver } from '../support/challenge-solver.ts'
import { type Controller, createController } from '../support/issuing.ts'
import { createLedger } from '../support/pebble-ledger.ts'
import { createTestCa, type TestCa } from '../support/test-ca.ts'

const all = process.env['CERTS_FAULTS'] === 'all'
const pace: Partial<Pace> = { requestMs: 500, retryMs: 1_500, firstRetryMs: 600, pollMs: 1_500 }
const once1 = { times: 1 }
const badNonce = (answer: ProxyAnswer): boolean => answer.body.includes('badNonce')

let ca: TestCa
let dns: ChallengeServer
let pebble: Pebble
let proxy: AcmeProxy
let solver: ChallengeSolver

beforeAll(async () => {
  ca = await createTestCa()
  dns = await startChallengeServer()
  pebble = await startPebble({ dnsServer: dns.dnsServer, ca })
  proxy = await startAcmeProxy(pebble.directory, ca)
  solver = createChallengeSolver(dns)
})

beforeEach(() => proxy.reset())

afterAll(async () => {
  await proxy[Symbol.asyncDispose]()
  await pebble[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
})

let counter = 0
function order(): { run: (controller: Controller) => Promise<unknown>; name: string } {
  const name = `fault-${++counter}.example`
  const acme = () => ({ directory: proxy.directory, contact: [], caBundle: pebble.caBundle })
  return { name, run: (controller) => controller.issue({ names: [name], acme: acme(), solver, pace }) }
}

async function failureOf(promise: Promise<unknown>): Promise<AcmeError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(AcmeError)
  return error as AcmeError
}

/** The run ends well or with an error of ours; then, without the fault, all is as if nothing had happened. */
async function converges(): Promise<AcmeError | undefined> {
  await using controller = await createController()
  const ledger = createLedger(pebble)
  const { run, name } = order()
  const start = performance.now()
  const error: unknown = await run(controller).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(performance.now() - start).toBeLessThan(15_000)
  if (error !== undefined) {
    expect(error).toBeInstanceOf(AcmeError)
    expect(await solver.values(`_acme-challenge.${name}`)).toEqual([])
    proxy.reset()
    await run(controller)
  }
  expect(ledger()).toEqual({ accounts: 1, orders: 1, certificates: 1 })
  expect(await controller.store.listVersions(name)).toHaveLength(1)
  expect(await solver.values(`_acme-challenge.${name}`)).toEqual([])
  return error as AcmeError | undefined
}

const problem = (type: string, detail = 'so it is'): string =>
  JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail })
const garbage = (body: string): Fault => ({ do: 'edit', edit: (answer) => ({ ...answer, body }) })

const passing: Readonly<Record<string, Fault>> = {
  'HTTP 500': { do: 'answer', status: 500, body: problem('serverInternal') },
  'HTTP 503 with a web page': { do: 'answer', status: 503, headers: { 'retry-after': '0' }, body: '<html>' },
  'a connection cut before': { do: 'cut', when: 'before' },
  'a connection cut after the CA has acted': { do: 'cut', when: 'after' },
  'no answer at all': { do: 'hang' },
  'no answer after the CA has acted': { do: 'hang', when: 'after' },
  'half an answer': { do: 'truncate' },
}
const nonsense: Readonly<Record<string, Fault>> = {
  'a web page with status 200': garbage('<html>Welcome</html>'),
  'an empty body': garbage(''),
  'truncated JSON': garbage('{"status": "val'),
  'JSON of another shape': garbage('[[]]'),
  'JSON with wrong types': garbage(
    '{"status":7,"orders":{},"identifiers":[null],"authorizations":"x","challenges":3}',
  ),
}
/** Only asked when an order was lost. */
const always = requestKinds.filter((kind) => kind !== 'account' && kind !== 'orders')

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
    proxy.fault(kind, fault, { ...once1, unless: badNonce })
    expect(await converges()).toBeUndefined()
  })
})

describe('an answer that makes no sense is named, and the next run goes on', () => {
  const kinds = always.filter((kind) => !['nonce', 'newAccount', 'challenge', 'certificate'].includes(kind))
  const pairs = kinds.flatMap((kind) => Object.keys(nonsense).map((what) => [kind, what] as const))
  test.for(sample(pairs, 3))('%s: %s', async ([kind, what]) => {
    const fault = nonsense[what]
    if (fault === undefined) throw new Error(what)
    proxy.fault(kind, fault, { ...once1, unless: badNonce })
    const error = await converges()
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
    proxy.fault(kind, fault, { unless: badNonce })
    const error = await converges()
    // What the CA did although no answer came is found out, so finalize and the challenge may well succeed.
    if (error !== undefined) expect(error.message).toMatch(/ at 127\.0\.0\.1:\d+ failed: /)
  })
})

test('a finalize whose answer is cut leads to no other order', async () => {
  proxy.fault('finalize', { do: 'cut', when: 'after' }, { unless: badNonce })
  expect(await converges()).toBeUndefined()
})

test('an order that is processing for ever is left for the next run', async () => {
  const processing = (answer: ProxyAnswer): ProxyAnswer => ({
    ...answer,
    body: answer.body.replace(/"status": "(valid|processing)"/, '"status": "processing"'),
  })
  proxy.fault('finalize', { do: 'edit', edit: processing })
  proxy.fault('order', { do: 'edit', edit: processing })
  const error = await converges()
  expect(error?.message).toMatch(
    /^the CA has not finished the order of fault-\d+\.example: it is still processing$/,
  )
  expect(error?.hints[0]).toMatch(/^run it again later, and the same order is taken up: https:/)
})

test('a certificate URL that is not there yet is asked again, and finalize is not', async () => {
  proxy.fault('certificate', { do: 'answer', status: 404 }, { times: 3 })
  expect(await converges()).toBeUndefined()
})

describe('Retry-After', () => {
  const limited = (header: string | undefined, status = 429): Fault => ({
    do: 'answer',
    status,
    headers: {
      'content-type': 'application/problem+json',
      ...(header !== undefined && { 'retry-after': header }),
    },
    body: problem(
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
      const { run } = order()
      proxy.fault('newOrder', limited(header === 'a date' ? inAnHour() : header))
      const error = await failureOf(run(controller))
      expect(error).toMatchObject({ type: 'rateLimited', status: 429 })
      expect(proxy.count('newOrder')).toBe(1)
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
    proxy.fault('newOrder', limited(value), once1)
    proxy.fault('authorization', limited(value, 503), once1)
    expect(await converges()).toBeUndefined()
  })

  test.for(['garbage', '-1', '1e9'])('of %s with a failing CA falls back to our own pace', async (header) => {
    proxy.fault('order', limited(header, 503), { times: 2 })
    expect(await converges()).toBeUndefined()
  })
})

describe('nonces', () => {
  test('that answers leave out are asked for', async () => {
    const without = (answer: ProxyAnswer): ProxyAnswer => ({
      ...answer,
      headers: Object.fromEntries(Object.entries(answer.headers).filter(([name]) => name !== 'replay-nonce')),
    })
    for (const kind of always) if (kind !== 'nonce') proxy.fault(kind, { do: 'edit', edit: without })
    expect(await converges()).toBeUndefined()
  })

  test('that are no nonces are not used', async () => {
    const long = (answer: ProxyAnswer): ProxyAnswer => ({
      ...answer,
      headers: { ...answer.headers, 'replay-nonce': 'a'.repeat(10_000) },
    })
    proxy.fault('nonce', { do: 'edit', edit: long })
    const error = await converges()
    expect(error?.message).toMatch(/^getting a nonce at .* failed: the CA sent none that can be used$/)
  })

  test('are refused every other time by some CAs, which is got along with', { timeout: 60_000 }, async () => {
    await using chaotic = await startPebble({
      dnsServer: dns.dnsServer,
      ca,
      env: { PEBBLE_WFE_NONCEREJECT: '50' },
    })
    await using controller = await createController()
    const acme = { directory: chaotic.directory, contact: [], caBundle: chaotic.caBundle }
    await controller.issue({ names: ['nonce.example'], acme, solver })
  })

  test('that are always refused end the run with fewer than a hundred requests', async () => {
    await using refusing = await startPebble({
      dnsServer: dns.dnsServer,
      ca,
      env: { PEBBLE_WFE_NONCEREJECT: '100' },
    })
    await using controller = await createController()
    const acme = { directory: refusing.directory, contact: [], caBundle: refusing.caBundle }
    const error = await failureOf(controller.issue({ names: ['nonce.example'], acme, solver }))
    expect(error).toMatchObject({ type: 'badNonce', status: 400 })
    expect(refusing.log().match(/calling handler/g)?.length).toBeLessThan(100)
  })
})

describe('a hostile CA', () => {
  let listener: Server
  let visits = 0
  let evil: string
  beforeAll(async () => {
    listener = createServer((socket) => {
      visits++
      socket.destroy()
    }).listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const address = listener.address()
    evil = typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : ''
  })
  afterAll(() => void listener.close())

  const edited = (edit: (body: Record<string, unknown>) => object): Fault => ({
    do: 'edit',
    edit: (answer) => {
      if (answer.status >= 400 || answer.body === '') return answer
      return { ...answer, body: JSON.stringify(edit(JSON.parse(answer.body) as Record<string, unknown>)) }
    },
  })

  test.for([
    ['directory', 'newOrder'],
    ['directory', 'newNonce'],
    ['newOrder', 'finalize'],
    ['newOrder', 'authorizations'],
    ['order', 'certificate'],
  ] as const)('that in its %s names another host for %s is not followed there', async ([kind, field]) => {
    const elsewhere = `https://${evil}/x`
    const change = edited((body) => ({
      ...body,
      [field]: field === 'authorizations' ? [elsewhere] : elsewhere,
    }))
    proxy.fault(kind, change)
    const error = await converges()
    expect(error?.message).toMatch(/the CA pointed to https:\/\/127\.0\.0\.1:\d+, not to https:/)
    expect(visits).toBe(0)
  })

  test.for(['Location', 'http', 'user'] as const)(
    'is not followed off its own https origin: %s',
    async (what) => {
      const own = new URL(proxy.directory)
      const where = {
        Location: `https://${evil}/`,
        http: `http://${own.host}/o`,
        user: `https://a:b@${own.host}/o`,
      }
      proxy.fault('newOrder', {
        do: 'edit',
        edit: (answer) => ({ ...answer, headers: { ...answer.headers, location: where[what] } }),
      })
      expect((await converges())?.message).toContain('the CA pointed to ')
      expect(visits).toBe(0)
    },
  )

  test('that redirects is not followed', async () => {
    proxy.fault('order', { do: 'answer', status: 307, headers: { location: `https://${evil}/` } })
    expect((await converges())?.message).toMatch(
      /^reading the order at .* a redirect, which is never followed$/,
    )
    expect(visits).toBe(0)
  })

  test('that answers 2 MB is not read to the end', async () => {
    proxy.fault('order', garbage(`"${'x'.repeat(2_000_000)}"`))
    expect((await converges())?.message).toContain('the answer is larger than 1 MB')
  })

  test.for([
    ['a token with a path in it', { token: '../../../../etc/passwd-and-more' }],
    ['a token of one byte', { token: 'x' }],
    ['a token of 100 kB', { token: 'x'.repeat(100_000) }],
  ] as const)('with %s is refused', async ([, change]) => {
    const spoil = edited((body) => ({
      ...body,
      challenges: (body['challenges'] as object[]).map((challenge) => ({ ...challenge, ...change })),
    }))
    proxy.fault('authorization', spoil)
    expect((await converges())?.message).toContain("the CA's answer has no usable token")
  })

  test('that wants a proof for another name gets none', async () => {
    proxy.fault(
      'authorization',
      edited((body) => ({ ...body, identifier: { type: 'dns', value: 'victim.example' } })),
    )
    expect((await converges())?.message).toMatch(/asks for a proof of "victim\.example", which is not ours$/)
    expect(await solver.values('_acme-challenge.victim.example')).toEqual([])
  })

  test('that makes an order for other names is refused', async () => {
    await using controller = await createController()
    const { run } = order()
    proxy.fault(
      'newOrder',
      edited((body) => ({ ...body, identifiers: [{ type: 'dns', value: 'other.example' }] })),
    )
    expect((await failureOf(run(controller))).message).toContain('the CA made an order for other names')
  })

  test('can not write to the terminal', async () => {
    await using controller = await createController()
    const { run } = order()
    const detail = `\u001b]8;;http://evil\u0007click\u001b[2J\r\n\u202e${'x'.repeat(5_000)}`
    proxy.fault('newOrder', { do: 'answer', status: 403, body: problem('unauthorized', detail) })
    const { message } = await failureOf(run(controller))
    expect(message).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    expect(message.length).toBeLessThan(900)
  })

  test('that returns another certificate is refused, and the next run orders anew', async () => {
    await using controller = await createController()
    const other = await ca.issue(['evil.example'])
    const { run, name } = order()
    proxy.fault('certificate', garbage(other.cert + pebble.roots()))
    const error = await failureOf(run(controller))
    expect(error.message).toBe(
      "the certificate that the CA returned can't be used: it is for another key than ours",
    )
    expect(await controller.store.listVersions(name)).toEqual([])
    proxy.reset()
    await run(controller)
    const orders = controller.events.filter((event) => event.kind === 'order-created')
    expect(orders).toMatchObject([{ resumed: false }, { resumed: false }])
  })
})

describe('what a CA may add is ignored', () => {
  test('other challenge types and fields', async () => {
    proxy.fault('authorization', {
      do: 'edit',
      edit: (answer) => {
        if (answer.status >= 400) return answer
        const body = JSON.parse(answer.body) as { challenges: object[] }
        const others = [{ type: 'weird-99', url: 5 }, { type: 7 }, {}, null]
        const challenges = [...others, ...body.challenges.toReversed(), { type: 'dns-02', token: '/' }]
        return { ...answer, body: JSON.stringify({ ...body, challenges, extra: { deep: [1] } }) }
      },
    })
    expect(await converges()).toBeUndefined()
  })
})

describe('an order that can not be taken up', () => {
  async function interrupted(name: string, controller: Controller): Promise<void> {
    const acme = { directory: proxy.directory, contact: [], caBundle: pebble.caBundle }
    const failing = { ...solver, waitUntilSeen: () => Promise.reject(new AcmeError('stopped')) }
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
    const name = `dead-${++counter}.example`
    await interrupted(name, controller)
    const ledger = createLedger(pebble)
    proxy.reset()
    proxy.fault(kind, fault, { times: 1, unless: badNonce })
    const acme = { directory: proxy.directory, contact: [], caBundle: pebble.caBundle }
    await controller.issue({ names: [name], acme, solver, pace })
    expect(ledger()).toEqual({ accounts: 0, orders: 1, certificates: 1 })
    expect(await solver.values(`_acme-challenge.${name}`)).toEqual([])
  })
})

test('an account that the CA does not know any more is said so, and its key is kept', async () => {
  await using controller = await createController()
  const { run } = order()
  await run(controller)
  const [document = ''] = await controller.store.list('accounts')
  const before = await controller.store.get(document)
  proxy.reset()
  proxy.fault('newOrder', {
    do: 'answer',
    status: 400,
    body: problem('accountDoesNotExist', 'no account for key'),
  })
  const error = await failureOf(order().run(controller))
  expect(error.message).toMatch(/failed: no account for key \(accountDoesNotExist, HTTP 400\)$/)
  expect(error.hints[0]).toContain('the CA does not know our account any more')
  expect(await controller.store.get(document)).toEqual(before)
})

test('a CA that can not be reached is said so within a second', async () => {
  await using controller = await createController()
  const acme = { directory: 'https://127.0.0.1:9/dir', contact: [] }
  const start = performance.now()
  const error = await failureOf(controller.issue({ names: ['down.example'], acme, solver, pace }))
  expect(performance.now() - start).toBeLessThan(1_500)
  expect(error.message).toBe('reading the directory at 127.0.0.1:9 failed: connect ECONNREFUSED 127.0.0.1:9')
  expect(error.hints[0]).toContain('curl -sSv -o /dev/null https://127.0.0.1:9/')
})
