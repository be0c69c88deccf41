import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Attempts } from '../src/core/backoff.ts'
import { limitsOf } from '../src/core/budget.ts'
import type { Spending } from '../src/core/budget.ts'
import { AcmeError, CertsError, StateError } from '../src/core/errors.ts'
import { type Memory, openMemory, type Tries } from '../src/memory.ts'
import { openFiles } from '../src/state/files.ts'
import type { Store } from '../src/state/store.ts'

const directory = 'https://acme-v02.api.letsencrypt.org/directory'
const name = 'a.example.com'
const start = Date.parse('2026-11-23T12:00:00Z')
const minute = 60_000

let store: Store
let clock: number
let interruption: AbortController
/** As another run sees it. */
let open: (limits?: typeof limitsOf) => Memory

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'certs-memory-'))
  store = await openFiles(join(folder, 'state'))
  clock = start
  interruption = new AbortController()
  open = (limits = limitsOf) =>
    openMemory({ store, now: () => new Date(clock), signal: interruption.signal, limits })
  return async () => {
    await store[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  }
})

const order = (certificate = name) => ({ certificate, directory, names: [certificate], replaces: false })
const spent = async (): Promise<readonly Spending[]> => (await open().budget(directory))?.spent ?? []
const attempts = async () => (await store.get<Attempts>(`attempts/${name}`))?.value
/** As at this CA. */
const failing = (error: Error) => async (tries: Tries) => {
  if (error instanceof CertsError) await tries.failed(directory, error)
  throw error
}
const issuing = async (tries: Tries) => tries.issued(directory)

test('an attempt is on record from its beginning, and forgotten when it led to a version', async () => {
  const memory = open()
  const done = await memory.attempt(name, async (tries) => {
    expect(await attempts()).toMatchObject({ failures: 1 })
    await memory.beforeOrder(order())
    expect(await spent()).toEqual([
      { at: '2026-11-23T12:00:00.000Z', certificate: name, names: [name], domains: ['example.com'] },
    ])
    tries.issued(directory)
    return 'version'
  })
  expect(done).toBe('version')
  expect(await attempts()).toBeUndefined()
  expect(await spent()).toMatchObject([{ outcome: 'issued' }])
})

test('failures add up over restarts, with the reason and what the CA said', async () => {
  await expect(open().attempt(name, failing(new StateError('the disk is full')))).rejects.toThrow('disk')
  expect(await attempts()).toEqual({
    failures: 1,
    at: '2026-11-23T12:00:00.000Z',
    because: 'the disk is full',
  })
  clock += minute
  const refused = new AcmeError('too many', { retryAfterMs: 90 * minute })
  await expect(open().attempt(name, failing(refused))).rejects.toThrow('too many')
  expect(await attempts()).toMatchObject({
    failures: 2,
    refusals: { [directory]: { until: '2026-11-23T13:31:00.000Z', because: 'too many' } },
  })
  expect((await (await open().recall())(name)).attempts).toMatchObject({ failures: 2 })
})

test('what may hold anything is not told: only errors of ours are quoted', async () => {
  await expect(open().attempt(name, failing(new Error('-----BEGIN PRIVATE KEY-----')))).rejects.toThrow()
  expect(await attempts()).toMatchObject({ because: 'a fault of certs itself' })
})

test('an interruption is no failure', async () => {
  const act = (tries: Tries) => {
    interruption.abort()
    return failing(new AcmeError('interrupted', { retryAfterMs: minute }))(tries)
  }
  await expect(open().attempt(name, act)).rejects.toThrow('interrupted')
  expect(await attempts()).toBeUndefined()
})

test('what a CA said before an interruption stands', async () => {
  const refused = new AcmeError('too many', { retryAfterMs: 90 * minute })
  const act = async (tries: Tries) => {
    await tries.failed(directory, refused)
    interruption.abort()
    await failing(new AcmeError('interrupted'))(tries)
  }
  await expect(open().attempt(name, act)).rejects.toThrow('interrupted')
  expect(await attempts()).toMatchObject({ failures: 0, refusals: { [directory]: { because: 'too many' } } })
})

test('a failed validation is counted for the names that failed, and is no issuance', async () => {
  const memory = open()
  const subproblems = [{ type: 'dns', detail: 'no TXT', identifier: name }]
  const act = async (tries: Tries) => {
    await memory.beforeOrder(order())
    await failing(new AcmeError('not validated', { type: 'dns', subproblems }))(tries)
  }
  await expect(memory.attempt(name, act)).rejects.toThrow('not validated')
  expect(await spent()).toMatchObject([{ outcome: 'nothing', failed: [name] }])
})

test('an order that goes on to live counts until the run that takes it up knows better', async () => {
  const memory = open()
  const die = async () => {
    await memory.beforeOrder(order())
    await store.put(`orders/${name}`, { directory, orderUrl: 'https://ca.test/order/1' }, undefined)
    throw new AcmeError('no answer')
  }
  await expect(memory.attempt(name, die)).rejects.toThrow('no answer')
  expect((await spent())[0]).not.toHaveProperty('outcome')
  await open().attempt(name, issuing)
  expect(await spent()).toMatchObject([{ outcome: 'issued' }])
})

test('the sixth order of a set in a week is refused before it is sent, until the first is a week old', async () => {
  const memory = open()
  for (let count = 0; count < 5; count++) {
    await memory.attempt(name, async (tries) => {
      await memory.beforeOrder(order())
      tries.issued(directory)
    })
    clock += 60 * minute
  }
  const refusal: unknown = await open()
    .beforeOrder(order())
    .catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(AcmeError)
  expect(refusal).toMatchObject({
    message: `ordering ${name} was not tried: 5 of 5 issuances for this set of names used in 7 days`,
    type: 'rateLimited',
    retryAfterMs: (7 * 24 - 5) * 60 * minute,
    hints: ['run it again after 2026-11-30 12:00 UTC: the CA would refuse before'],
  })
  expect(await spent()).toHaveLength(5)
  await expect(open().beforeOrder({ ...order(), replaces: true })).resolves.toBeUndefined()
  await expect(open().beforeOrder(order('b.example.com'))).resolves.toBeUndefined()
})

test('orders sent side by side are all on record, in few writes, and never more than the limit', async () => {
  let writes = 0
  const put = store.put.bind(store)
  store.put = (...given) => {
    writes++
    return put(...given)
  }
  const memory = open()
  const names = Array.from({ length: 60 }, (_, index) => `s${index}.example.com`)
  const sent = await Promise.allSettled(names.map((each) => memory.beforeOrder(order(each))))
  expect(sent.filter(({ status }) => status === 'fulfilled')).toHaveLength(50)
  expect(await spent()).toHaveLength(50)
  expect(writes).toBeLessThan(5)
})

test('an order that can not be written down is not sent', async () => {
  store.put = () => Promise.reject(new StateError('the disk is full'))
  await expect(open().beforeOrder(order())).rejects.toThrow('the disk is full')
})

test('nothing is counted at a CA whose limits are not known', async () => {
  const memory = open(() => undefined)
  await memory.beforeOrder(order())
  expect(await memory.budget(directory)).toBeUndefined()
  expect(await store.list('budget')).toEqual([])
})

test('a hold is kept by node, and lifted by node', async () => {
  await open().hold(name, { nodes: { sally: 3, esme: 3 }, since: 'then' })
  await open().lift(name, ['sally'])
  expect((await (await open().recall())(name)).hold).toEqual({ nodes: { esme: 3 }, since: 'then' })
  await open().lift(name, undefined)
  await open().lift(name, undefined)
  expect(await store.list('held')).toEqual([])
})

describe('several CAs', () => {
  const other = 'https://acme-staging-v02.api.letsencrypt.org/directory'
  const at = async (one: string) => (await open().budget(one))?.spent

  test('one issues what the other refused: each order counts where it was sent, and the refusal is kept', async () => {
    const memory = open()
    await memory.attempt(name, async (tries) => {
      await memory.beforeOrder(order())
      const subproblems = [{ type: 'caa', detail: 'forbidden', identifier: name }]
      await tries.failed(directory, new AcmeError('no', { type: 'caa', subproblems, retryAfterMs: minute }))
      // Durable by now: a run that dies here must not ask again.
      expect(await attempts()).toMatchObject({ failures: 1, refusals: { [directory]: { because: 'no' } } })
      await memory.beforeOrder({ ...order(), directory: other })
      tries.issued(other)
    })
    expect(await at(directory)).toMatchObject([{ outcome: 'nothing', failed: [name] }])
    expect(await at(other)).toMatchObject([{ outcome: 'issued' }])
    expect(await attempts()).toMatchObject({ failures: 0, refusals: { [directory]: { because: 'no' } } })
    clock += 2 * minute
    await open().attempt(name, issuing)
    expect(await attempts()).toBeUndefined()
  })

  test('when both fail, the order that lives on at one of them is not settled', async () => {
    const memory = open()
    const both = async (tries: Tries) => {
      await memory.beforeOrder(order())
      await tries.failed(directory, new AcmeError('down'))
      await memory.beforeOrder({ ...order(), directory: other })
      await store.put(`orders/${name}`, { directory: other, orderUrl: 'https://ca.test/2' }, undefined)
      await failing(new AcmeError('down as well'))(tries)
    }
    await expect(memory.attempt(name, both)).rejects.toThrow('as well')
    expect(await at(directory)).toMatchObject([{ outcome: 'nothing' }])
    expect((await at(other))![0]).not.toHaveProperty('outcome')
  })
})
