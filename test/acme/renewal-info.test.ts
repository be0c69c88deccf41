import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openRenewalInfo } from '../../src/acme/renewal-info.ts'
import { atMost } from '../../src/core/at-most.ts'
import { readLeaf } from '../../src/core/certificate.ts'
import type { Version } from '../../src/core/certificate.ts'
import type { ProxyAnswer } from '../support/acme-proxy.ts'
import { badNonce, type FaultyCa, pace, problemDocument, startFaultyCa } from '../support/faulty-ca.ts'
import { type Controller, createController } from '../support/issuing.ts'
import { suggest } from '../support/pebble-suggestion.ts'

let faulty: FaultyCa
let controller: Controller
let version: Version
const name = 'one.example'
beforeAll(async () => {
  faulty = await startFaultyCa()
})
beforeEach(async () => {
  faulty.proxy.reset()
  controller = await createController()
  version = await issue()
  return async () => controller[Symbol.asyncDispose]()
})
afterAll(() => faulty[Symbol.asyncDispose]())

const issue = () => controller.issue({ names: [name], acme: faulty.acme(), solver: faulty.solver })
const asked = () => faulty.proxy.count('renewalInfo')

/** A run at this instant, which ends with what it learnt written down. */
async function ask(at: Date = new Date(), { patienceMs = 3_000, keep = true, leafOf = version } = {}) {
  const { directory, caBundle } = faulty.acme()
  using info = openRenewalInfo({
    store: controller.store,
    directory,
    settings: async () => ({ directory, caBundle }),
    now: () => at,
    signal: new AbortController().signal,
    atMost: atMost(8),
    patienceMs: () => patienceMs,
    issued: async () => true,
  })
  const said = await info.suggestion(name, readLeaf(leafOf.leaf), { ask: true })
  if (keep) await info.keep()
  return said
}
const later = (hours: number, from = Date.now()) => new Date(from + hours * 3_600_000)

describe('what the CA suggests', () => {
  test('is a window in the last third of the lifetime', async () => {
    const said = await ask()
    const { notBefore, notAfter } = readLeaf(version.leaf)
    const third = Date.parse(notAfter) - (Date.parse(notAfter) - Date.parse(notBefore)) / 3
    expect(Math.abs(Date.parse(said!.start) - third)).toBeLessThan(3 * 86_400_000)
    expect(Date.parse(said!.end)).toBeGreaterThan(Date.parse(said!.start))
  })

  test('is asked for again when the CA wants it, and not before, over runs', async () => {
    const answer = (seconds: string) => {
      faulty.proxy.reset()
      faulty.proxy.fault('renewalInfo', {
        do: 'edit',
        edit: (real) => ({ ...real, headers: { ...real.headers, 'retry-after': seconds } }),
      })
    }
    answer('7200')
    const first = await ask()
    expect(await ask(later(1.9))).toEqual(first)
    expect(asked()).toBe(1)
    await ask(later(2.1))
    expect(asked()).toBe(2)

    // A year is a day, a second is a minute (RFC 9773 section 4.3.2).
    answer('31536000')
    await ask(later(5))
    await ask(later(28.9))
    expect(asked()).toBe(1)
    answer('1')
    await ask(later(29.1))
    await ask(later(29.1 + 50 / 3600))
    expect(asked()).toBe(1)
    // A clock that was ahead does not silence it.
    await ask(later(0))
    expect(asked()).toBe(2)
  })

  test('is not written down by a run that may change nothing', async () => {
    await ask(new Date(), { keep: false })
    expect(await controller.store.list('ari')).toEqual([])
  })

  test('is another for another leaf', async () => {
    await ask()
    const next = await issue()
    expect(await ask(new Date(), { leafOf: next })).toBeDefined()
    expect(asked()).toBe(2)
  })

  test('counts when it lies in the past, with the reason', async () => {
    await suggest(faulty.pebble, version.leaf, {
      suggestedWindow: { start: '2020-01-01T00:00:00Z', end: '2020-01-02T00:00:00Z' },
      explanationURL: 'https://ca.example/incident',
    })
    expect(await ask()).toEqual({
      start: '2020-01-01T00:00:00.000Z',
      end: '2020-01-02T00:00:00.000Z',
      explanationUrl: 'https://ca.example/incident',
    })
  })
})

describe('nothing is suggested, and nothing fails,', () => {
  const window = (start: string, end: string) => JSON.stringify({ suggestedWindow: { start, end } })
  test.each([
    ['the CA knows nothing of it', { status: 404 }],
    ['the CA answers 500', { status: 500 }],
    ['the CA refuses', { status: 429, headers: { 'retry-after': '3600' } }],
    [
      'the window ends before it begins',
      { status: 200, body: window('2026-11-02T00:00:00Z', '2026-11-01T00:00:00Z') },
    ],
    [
      'the window lies in the far future',
      { status: 200, body: window('9999-11-01T00:00:00Z', '9999-11-02T00:00:00Z') },
    ],
    ['the answer is a web page', { status: 200, body: '<html>' }],
    ['the answer is empty', { status: 200, body: '' }],
    ['the answer is cut', { status: 200, body: '{"suggestedWindow": {"start": "2026-' }],
    ['the answer is JSON of another shape', { status: 200, body: '[[]]' }],
    ['the answer is JSON of wrong types', { status: 200, body: '{"suggestedWindow":{"start":7,"end":[]}}' }],
    ['the CA refuses without saying until when', { status: 429 }],
    ['the CA refuses until soon', { status: 429, headers: { 'retry-after': 'soon' } }],
    ['the CA refuses for less than no time', { status: 429, headers: { 'retry-after': '-5' } }],
    [
      'the CA refuses until an hour ago',
      { status: 503, headers: { 'retry-after': 'Thu, 01 Jan 1970 00:00:00 GMT' } },
    ],
    ['the answer is a redirect', { status: 302, headers: { location: 'http://127.0.0.1/' } }],
  ])('when %s; it is asked again hours later', async (_what, answer) => {
    faulty.proxy.fault('renewalInfo', { do: 'answer', ...answer })
    expect(await ask()).toBeUndefined()
    expect(await ask(later(0.9))).toBeUndefined()
    expect(asked()).toBe(1)
    faulty.proxy.reset()
    expect(await ask(later(6.1))).toBeDefined()
  })

  test('when the CA has no renewal information at all: its directory is read once a day', async () => {
    faulty.proxy.fault('directory', {
      do: 'edit',
      edit: (real) => ({ ...real, body: real.body.replace('"renewalInfo"', '"other"') }),
    })
    const before = faulty.proxy.count('directory')
    expect([await ask(), await ask(later(23))]).toEqual([undefined, undefined])
    expect(faulty.proxy.count('directory') - before).toBe(1)
    expect(asked()).toBe(0)
  })

  test('when the CA hangs, for no longer than seconds', async () => {
    faulty.proxy.fault('renewalInfo', { do: 'hang' })
    const began = performance.now()
    expect(await ask()).toBeUndefined()
    expect(performance.now() - began).toBeLessThan(4_000)
  })
})

test('what was suggested stands while the CA is down, and falls when it takes it back', async () => {
  const said = await ask()
  faulty.proxy.fault('renewalInfo', { do: 'answer', status: 503 })
  expect(await ask(later(7))).toEqual(said)
  faulty.proxy.reset()
  faulty.proxy.fault('renewalInfo', { do: 'answer', status: 404 })
  expect(await ask(later(14))).toBeUndefined()
})

describe('an order', () => {
  const placed = async () => {
    const entries = []
    for await (const entry of controller.store.journal()) entries.push(entry)
    return entries
      .filter(({ action, phase }) => action === 'order-create' && phase === 'done')
      .map(({ facts }) => facts)
  }

  test('names the version it replaces, and is sent once without when that was replaced already', async () => {
    expect((await placed())[0]).not.toHaveProperty('replaces')
    const second = await issue()
    expect((await placed())[1]).toHaveProperty('replaces')

    // A controller that has lost what came of it names the same version again: pebble answers 409 alreadyReplaced.
    await using other = await createController()
    await copyAccount(other)
    await other.store.addVersion({ ...version, number: 1 })
    const answers: number[] = []
    const edit = (answer: ProxyAnswer) => {
      if (!badNonce(answer)) answers.push(answer.status)
      return answer
    }
    faulty.proxy.fault('newOrder', { do: 'edit', edit })
    const third = await other.issue({ names: [name], acme: faulty.acme(), solver: faulty.solver })
    expect(readLeaf(third.leaf).fingerprint).not.toBe(readLeaf(second.leaf).fingerprint)
    expect(third.number).toBe(2)
    expect(answers).toEqual([409, 201])
  })

  test('names none in the end, where the CA fails by the name of what is replaced', async () => {
    await using first = await createController()
    const replaced = 'replaced.fault.example'
    const order = { names: [replaced], acme: faulty.acme(), solver: faulty.solver, pace }
    const before = await first.issue(order)
    const body = problemDocument('serverInternal', 'could not find an order for the given certificate')
    faulty.proxy.fault('newOrder', { do: 'answer', status: 500, body }, { times: 2 })
    expect(
      (await first.issue({ ...order, pace: { ...pace, firstRetryMs: 10, retryMs: 5_000 } })).number,
    ).toBe(2)

    // Nobody has replaced it: the first to say so is not refused.
    await using second = await createController()
    for (const key of await first.store.list('accounts')) {
      await second.store.put(key, (await first.store.get(key))!.value, undefined)
    }
    await second.store.addVersion({ ...before, number: 1 })
    const answers: number[] = []
    const edit = (answer: ProxyAnswer) => {
      if (!badNonce(answer)) answers.push(answer.status)
      return answer
    }
    faulty.proxy.fault('newOrder', { do: 'edit', edit })
    await second.issue(order)
    expect(answers).toEqual([201])
  })

  test('names none at a CA to which the version means nothing', async () => {
    await using stranger = await createController()
    await stranger.store.addVersion(version)
    const issued = await stranger.issue({ names: [name], acme: faulty.acme(), solver: faulty.solver })
    expect(issued.number).toBe(2)
  })
})

async function copyAccount(to: Controller): Promise<void> {
  for (const key of await controller.store.list('accounts')) {
    await to.store.put(key, (await controller.store.get(key))!.value, undefined)
  }
}
