import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { type AccountRecord, openAccountFile } from '../../src/acme/account-record.ts'
import { type Rotation, rotateAccountKey } from '../../src/acme/account-rotation.ts'
import { openAccount } from '../../src/acme/account.ts'
import { openCa } from '../../src/acme/ca.ts'
import { defaultPace } from '../../src/acme/pace.ts'
import type { AcmeSettings } from '../../src/core/acme.ts'
import { AcmeError, ProviderError } from '../../src/core/errors.ts'
import type { Event } from '../../src/core/event.ts'
import type { KeptKey } from '../../src/core/kept-key.ts'
import type { Fault } from '../support/acme-proxy.ts'
import { nonsense, passing, slower } from '../support/bad-answers.ts'
import { clearKey } from '../support/clear-key.ts'
import { badNonce, failureOf, pace, problemDocument, useFaultyCa } from '../support/faulty-ca.ts'
import { type Controller, createController } from '../support/issuing.ts'
import type { ChildOrder } from '../support/issuing-child.ts'
import { createLedger } from '../support/pebble-ledger.ts'

const faulty = useFaultyCa()

const hourMs = 3_600_000
const unspoilt = (): AcmeSettings => ({ ...faulty.acme(), directory: faulty.pebble.directory })

async function recordOf({ store }: Controller): Promise<AccountRecord> {
  const { value } = await openAccountFile(store, faulty.acme())
  if (value === undefined) throw new Error('no account on record')
  return value
}

/** A controller with an account and one certificate. */
async function registered(): Promise<Controller & { readonly before: AccountRecord }> {
  const controller = await createController()
  await faulty.order().run(controller)
  return { ...controller, before: await recordOf(controller) }
}

async function rotate({ store, events }: Controller): Promise<Rotation> {
  const emit = (event: Event): void => void events.push(event)
  const deps = { store, emit, now: () => new Date(), signal: new AbortController().signal, run: 'test', pace }
  return rotateAccountKey(deps, faulty.acme())
}

/** Whether the CA itself, past the proxy, takes this key for the account. */
async function takes(key: KeptKey, { url = '' }: AccountRecord): Promise<boolean> {
  const settings = unspoilt()
  const accountUrl = url.replace(new URL(faulty.proxy.directory).origin, new URL(settings.directory).origin)
  const signal = new AbortController().signal
  using ca = openCa({
    settings,
    accountKey: clearKey(key),
    accountUrl,
    now: () => new Date(),
    signal,
    pace: defaultPace,
  })
  return await ca.answersAccount()
}

/** The next issuance goes on at the same account, and the key on record is the one that the CA takes. */
async function isUsable(controller: Controller, before: AccountRecord): Promise<AccountRecord> {
  faulty.proxy.reset()
  const ledger = createLedger(faulty.pebble)
  await faulty.order().run(controller)
  expect(ledger()).toEqual({ accounts: 0, orders: 1, certificates: 1 })
  const record = await recordOf(controller)
  expect(record.url).toBe(before.url)
  expect(await takes(record.key, before)).toBe(true)
  return record
}

test('the account has a new key: the CA takes it and no longer the old one, and its URL stays', async () => {
  await using controller = await registered()
  const { before } = controller
  const rotation = await rotate(controller)
  const after = await isUsable(controller, before)
  expect(after.key).not.toBe(before.key)
  expect(after).not.toHaveProperty('next')
  expect(await takes(before.key, before)).toBe(false)
  expect(rotation).toEqual({
    directory: faulty.proxy.directory,
    account: before.url,
    from: expect.stringMatching(/^[\w-]{43}$/),
    to: expect.stringMatching(/^[\w-]{43}$/),
  })
  const journal = await readFile(join(controller.folder, 'state/journal.ndjson'), 'utf8')
  expect(journal).toContain('"action":"account-rotate"')
  const told = journal + JSON.stringify([rotation, controller.events])
  for (const { key } of [before, after]) expect(told).not.toContain(clearKey(key).split('\n')[1])
})

describe('cut in half, it comes to its end in the same run', () => {
  const slow: Fault = { do: 'answer', status: 429, headers: { 'retry-after': '1' } }
  test.for(Object.entries({ ...passing, 'HTTP 429 for a second': slow }))('by %s', async ([, fault]) => {
    await using controller = await registered()
    const { before } = controller
    faulty.proxy.fault('keyChange', fault, { times: 1, unless: badNonce })
    await rotate(controller)
    const after = await isUsable(controller, before)
    expect(after.key).not.toBe(before.key)
    expect(after).not.toHaveProperty('next')
    expect(await takes(before.key, before)).toBe(false)
  })
})

test(
  'whatever the CA answers on whatever is asked, in the end there is one key, which it takes',
  { timeout: 60_000 },
  async () => {
    await using controller = await registered()
    let { before } = controller
    const first = process.env['CERTS_FAULTS'] === 'all' ? (['directory', 'nonce'] as const) : []
    for (const kind of [...first, 'keyChange', 'account'] as const) {
      for (const [what, fault] of Object.entries({ ...passing, ...nonsense, ...slower })) {
        faulty.proxy.fault(kind, fault, { times: 1, unless: badNonce })
        const error: unknown = await rotate(controller).then(
          () => undefined,
          (reason: unknown) => reason,
        )
        faulty.proxy.reset()
        if (error !== undefined) {
          expect([kind, what, error]).toEqual([kind, what, expect.any(AcmeError)])
          await rotate(controller)
        }
        const after = await recordOf(controller)
        expect([kind, what, Object.keys(after).includes('next')]).toEqual([kind, what, false])
        expect([kind, what, await takes(after.key, before), await takes(before.key, before)]).toEqual([
          kind,
          what,
          true,
          false,
        ])
        before = after
      }
    }
    await isUsable(controller, before)
  },
)

describe('cut in half for as long as the run lasts', () => {
  const lasting: readonly (readonly [what: string, fault: Fault, taken: boolean])[] = [
    ['before the CA has acted', { do: 'cut', when: 'before' }, false],
    ['after the CA has acted', { do: 'cut', when: 'after' }, true],
  ]
  test.for(lasting)('%s, both keys are kept, and the next use finds out which works', async (one) => {
    const [, fault, taken] = one
    await using controller = await registered()
    const { before } = controller
    faulty.proxy.fault('keyChange', fault, { unless: badNonce })
    faulty.proxy.fault('account', { do: 'hang' })
    const error = await failureOf(rotate(controller))
    expect(error.hints.at(-1)).toBe(
      'both keys are kept until the CA says which it takes; certs account rotate brings it to its end',
    )
    const open = await recordOf(controller)
    expect(open.key).toBe(before.key)

    const after = await isUsable(controller, before)
    expect(after.key).toBe(taken ? open.next?.key : before.key)
    // Where the CA has not acted yet, the request may still be on its way.
    expect(after.next?.key).toBe(taken ? undefined : open.next?.key)

    // The same key is offered again, and no third one.
    await rotate(controller)
    const end = await recordOf(controller)
    expect(end).not.toHaveProperty('next')
    expect(await takes(end.key, before)).toBe(true)
    if (!taken) expect(end.key).toBe(open.next?.key)
  })
})

/** What an issuance at this instant does first. */
async function use(controller: Controller, now: Date): Promise<AccountRecord> {
  const signal = new AbortController().signal
  const deps = { store: controller.store, emit: () => undefined, now: () => now, signal, run: 'test' }
  const settings = faulty.acme()
  using _ = await openAccount(deps, { settings, certificate: 'x', pace: { ...defaultPace, ...pace } })
  return await recordOf(controller)
}

test('a key that the CA has not taken within an hour is forgotten when it answers by the old one', async () => {
  await using controller = await registered()
  const { before } = controller
  faulty.proxy.fault('keyChange', { do: 'cut', when: 'before' })
  await failureOf(rotate(controller))
  faulty.proxy.reset()

  expect(await use(controller, new Date(Date.now() + hourMs - 60_000))).toHaveProperty('next')
  // While the CA does not answer, nothing is forgotten, however long ago it was.
  faulty.proxy.fault('account', { do: 'answer', status: 500 })
  await failureOf(use(controller, new Date(Date.now() + 2 * hourMs)))
  expect(await recordOf(controller)).toHaveProperty('next')
  faulty.proxy.reset()
  expect(await use(controller, new Date(Date.now() + 2 * hourMs))).toEqual(before)
  const journal = await readFile(join(controller.folder, 'state/journal.ndjson'), 'utf8')
  expect(journal).toContain('the CA has not taken the new key, which is forgotten')
})

test('a refusal is told in the CA’s words, and the account has its old key as before', async () => {
  await using controller = await registered()
  const { before } = controller
  const body = problemDocument('badPublicKey', 'this key is known to be weak')
  faulty.proxy.fault('keyChange', { do: 'answer', status: 400, body })
  const error = await failureOf(rotate(controller))
  expect(error.message).toMatch(
    /^changing the account's key at 127\.0\.0\.1:\d+ failed: this key is known to be weak \(badPublicKey, HTTP 400\)$/,
  )
  expect(error.hints).toEqual(['the account has its old key, as before'])
  expect(await recordOf(controller)).toEqual(before)
  await isUsable(controller, before)
})

test('a CA that says yes and goes on taking the old key is not believed', async () => {
  await using controller = await registered()
  const { before } = controller
  faulty.proxy.fault('keyChange', { do: 'answer', status: 200, body: '{}' })
  const error = await failureOf(rotate(controller))
  expect(error.message).toContain('the CA said that it took the new key, and does not')
  expect((await isUsable(controller, before)).key).toBe(before.key)
})

test('where neither key is taken, nothing is forgotten, and the CA’s own words are told', async () => {
  await using controller = await registered()
  faulty.proxy.fault('keyChange', { do: 'cut', when: 'before' })
  await failureOf(rotate(controller))
  const open = await recordOf(controller)
  faulty.proxy.reset()
  const unknown = { do: 'answer', status: 400, body: problemDocument('accountDoesNotExist', 'who?') } as const
  for (const kind of ['account', 'newOrder'] as const) faulty.proxy.fault(kind, unknown)
  const error = await failureOf(faulty.order().run(controller))
  expect(error).toMatchObject({ type: 'accountDoesNotExist' })
  expect(await use(controller, new Date(Date.now() + 2 * hourMs))).toEqual(open)
  expect(await recordOf(controller)).toEqual(open)
})

test('a CA that takes no other keys is said so before a key is made', async () => {
  await using controller = await registered()
  faulty.proxy.fault('directory', {
    do: 'edit',
    edit: (answer) => ({ ...answer, body: answer.body.replace('"keyChange"', '"otherKeyChange"') }),
  })
  const error = await failureOf(rotate(controller))
  expect(error.message).toMatch(/failed: it takes no new keys by ACME$/)
  expect(await recordOf(controller)).toEqual(controller.before)
})

test('an order that was begun under the old key is finished under the new one', async () => {
  await using controller = await registered()
  const { name, run } = faulty.order()
  const ledger = createLedger(faulty.pebble)
  const failing = { ...faulty.solver, waitUntilSeen: () => Promise.reject(new ProviderError('not seen')) }
  const settings = { names: [name], acme: faulty.acme(), solver: failing, pace }
  await expect(controller.issue(settings)).rejects.toThrow('not seen')
  await rotate(controller)
  await run(controller)
  expect(ledger()).toEqual({ accounts: 0, orders: 1, certificates: 1 })
  expect(await faulty.solver.values(`_acme-challenge.${name}`)).toEqual([])
})

test('nobody without an account gets a key', async () => {
  await using controller = await createController()
  await expect(rotate(controller)).rejects.toThrow(/^there is no account at https:/)
  expect(await controller.store.list('accounts')).toEqual([])
})

describe('killed with SIGKILL, the next use has a key that the CA takes', () => {
  const script = join(import.meta.dirname, '../support/issuing-child.ts')

  function startChild(controller: Controller, where: Partial<ChildOrder>) {
    const { dnsServer, managementUrl } = faulty.dns
    const child: ChildOrder = {
      folder: controller.folder,
      directory: faulty.proxy.directory,
      caBundle: faulty.pebble.caBundle,
      dns: { dnsServer, managementUrl },
      names: ['unused.example'],
      rotate: true,
      ...where,
    }
    return spawn(process.execPath, [script, JSON.stringify(child)], { stdio: ['ignore', 'pipe', 'inherit'] })
  }

  /** By the next use, and then by a rotation that goes on; in the end there is one key. */
  async function converges(controller: Controller, before: AccountRecord): Promise<void> {
    const used = await isUsable(controller, before)
    const { from } = await rotate(controller)
    expect(from).toMatch(/^[\w-]{43}$/)
    const end = await isUsable(controller, before)
    expect(end).not.toHaveProperty('next')
    expect(end.key).not.toBe(used.key)
    expect(await takes(used.key, before)).toBe(false)
  }

  test.for(['keyChange', 'account'] as const)(
    'when the CA has acted on %s and its answer has not come',
    async (kind) => {
      await using controller = await registered()
      faulty.proxy.fault(kind, { do: 'hang', when: 'after' }, { unless: badNonce })
      const child = startChild(controller, {})
      const exit = once(child, 'exit')
      while (faulty.proxy.swallowed().length === 0 && child.exitCode === null) await sleep(10)
      child.kill('SIGKILL')
      expect(await exit).toEqual([null, 'SIGKILL'])
      const open = await recordOf(controller)
      expect(await takes(open.next?.key ?? '', open)).toBe(true)
      await converges(controller, controller.before)
    },
  )

  test('before and after every durable write', { timeout: 60_000 }, async () => {
    for (let at = 1; ; at++) {
      await using controller = await registered()
      const child = startChild(controller, { killAtCheckpoint: at })
      const [code] = (await once(child, 'exit')) as [number | null]
      await converges(controller, controller.before)
      if (code === 0) {
        expect(at).toBeGreaterThan(8)
        return
      }
    }
  })
})
