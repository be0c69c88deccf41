import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { filesOf, readLeaf, secretSumsOf } from '../../src/core/certificate.ts'
import type { Version } from '../../src/core/certificate.ts'
import { LockedError, StateError } from '../../src/core/errors.ts'
import { type KeptKey, spkiOf } from '../../src/core/kept-key.ts'
import { Secret } from '../../src/core/secret.ts'
import type { Entry, JournalLine, Store } from '../../src/state/store.ts'
import { issueVersion } from '../support/issue-version.ts'

/** One empty place for state. Each `open` is a run of its own, as another process would see it. */
export interface StorePlace extends AsyncDisposable {
  open(): Promise<Store>
}

const name = 'media.hachyderm.io'
const holder = { command: `certs rollout ${name}`, since: '2026-11-23T12:00:05.000Z' }
const entry: Entry = {
  at: '2026-11-23T12:00:05.000Z',
  run: 'r1',
  certificate: name,
  node: 'sally',
  action: 'switch live',
  phase: 'done',
  because: 'expired 10 h ago',
  facts: { from: 2, to: 3 },
}

/** What every store must do; run once for each kind of store. */
export function storeContract(kind: string, makePlace: () => Promise<StorePlace>): void {
  describe(`${kind} keeps the store contract`, () => {
    let place: StorePlace
    let store: Store
    let first: Version
    let second: Version

    beforeAll(async () => {
      ;[first, second] = await Promise.all([issueVersion(name, 1), issueVersion(name, 2)])
    })
    beforeEach(async () => {
      place = await makePlace()
      store = await place.open()
    })
    afterEach(async () => {
      await store[Symbol.asyncDispose]()
      await place[Symbol.asyncDispose]()
    })

    const reopen = async () => {
      await store[Symbol.asyncDispose]()
      store = await place.open()
    }

    describe('documents', () => {
      test('an absent document is undefined, and an absent prefix lists nothing', async () => {
        expect(await store.get('orders/a')).toBeUndefined()
        expect(await store.list('orders')).toEqual([])
        await store.remove('orders/a')
      })

      test('what was put is there for the next run', async () => {
        const value = {
          url: 'https://ca.test/order/1',
          names: ['ä', '\u2028', '\n"'],
          deep: { n: 1.5, no: null },
        }
        const revision = await store.put('orders/a', value, undefined)
        await reopen()
        expect(await store.get('orders/a')).toEqual({ value, revision })
      })

      test('each value gets a revision of its own, and put needs the one that stands', async () => {
        const one = await store.put('orders/a', { n: 1 }, undefined)
        const two = await store.put('orders/a', { n: 2 }, one)
        expect(two).not.toBe(one)
        await expect(store.put('orders/a', { n: 3 }, one)).rejects.toThrow(StateError)
        await expect(store.put('orders/a', { n: 3 }, undefined)).rejects.toThrow(/orders\/a/)
        await expect(store.put('orders/b', { n: 3 }, one)).rejects.toThrow(StateError)
        expect((await store.get('orders/a'))?.value).toEqual({ n: 2 })
        expect(await store.get('orders/b')).toBeUndefined()
      })

      test('of two runs that put at one revision, one wins and the other is told', async () => {
        await using other = await place.open()
        const results = await Promise.allSettled(
          Array.from({ length: 20 }, (_, n) => (n % 2 ? store : other).put('orders/a', { n }, undefined)),
        )
        expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
        const winner = results.findIndex((result) => result.status === 'fulfilled')
        expect((await store.get('orders/a'))?.value).toEqual({ n: winner })
      })

      test('a removed document is gone, and can be put anew', async () => {
        await store.put('orders/a', 1, undefined)
        await store.remove('orders/a')
        await store.remove('orders/a')
        expect(await store.get('orders/a')).toBeUndefined()
        await store.put('orders/a', 2, undefined)
      })

      test('list gives the sorted keys below a prefix, at any depth, and no others', async () => {
        for (const key of ['b/2', 'b/1/x', 'b/10', 'bb/1', 'a', 'b']) await store.put(key, key, undefined)
        expect(await store.list('b')).toEqual(['b/1/x', 'b/10', 'b/2'])
      })

      test.each(['', '/a', 'a/', 'a//b', '..', 'a/../b', '.a', '-a', 'a b', 'a\0', 'é', 'a\\b', 'a\n'])(
        'refuses the key %j',
        async (key) => {
          await expect(store.get(key)).rejects.toThrow(TypeError)
          await expect(store.put(key, 1, undefined)).rejects.toThrow(TypeError)
          await expect(store.remove(key)).rejects.toThrow(TypeError)
        },
      )

      test('a Secret that nobody revealed is refused, since [secret] is all that would be kept', async () => {
        await expect(store.put('a', { key: new Secret('k') }, undefined)).rejects.toThrow(TypeError)
        await expect(store.put('a', [new Secret('k')], undefined)).rejects.toThrow(TypeError)
        expect(await store.get('a')).toBeUndefined()
      })
    })

    describe('versions', () => {
      test('an unknown certificate has none', async () => {
        expect(await store.listVersions(name)).toEqual([])
        expect(await store.highestNumber(name)).toBe(0)
        expect(await store.getVersion(name, 1)).toBeUndefined()
      })

      test('an added version comes back as it was, for the next run too', async () => {
        await store.addVersion(first)
        await store.addVersion({ ...second, number: 7 })
        await reopen()
        expect(await store.listVersions(name)).toEqual([1, 7])
        expect(await store.highestNumber(name)).toBe(7)
        const found = await store.getVersion(name, 1)
        expect(found && filesOf(found)).toEqual(filesOf(first))
        expect(found).toMatchObject({ certificate: name, number: 1 })
      })

      test('the newest version of many is told without its key; of which there is nothing, nothing is said', async () => {
        expect(await store.newest([name])).toEqual(new Map())
        await store.addVersion(first)
        await store.addVersion({ ...second, number: 12 })
        await store.addVersion({ ...first, certificate: '*.hachyderm.io', number: 9 })
        await reopen()
        const found = await store.newest([name, '*.hachyderm.io', 'unknown.example'])
        expect(found).toEqual(
          new Map([
            [name, { version: { number: 12, leaf: second.leaf }, highest: 12 }],
            ['*.hachyderm.io', { version: { number: 9, leaf: first.leaf }, highest: 9 }],
          ]),
        )
      })

      test('adding the same bytes again is success, other bytes are refused and change nothing', async () => {
        await store.addVersion(first)
        await store.addVersion(first)
        await expect(store.addVersion({ ...second, number: 1 })).rejects.toThrow(StateError)
        const found = await store.getVersion(name, 1)
        expect(found && filesOf(found)).toEqual(filesOf(first))
      })

      test('a key that does not belong to its leaf is refused', async () => {
        await expect(store.addVersion({ ...first, key: second.key })).rejects.toThrow(StateError)
        expect(await store.highestNumber(name)).toBe(0)
      })

      test('versions of a wildcard, and of names that start alike, are kept apart', async () => {
        await store.addVersion({ ...first, certificate: '*.hachyderm.io' })
        await store.addVersion({ ...second, certificate: 'hachyderm.io' })
        expect(await store.listVersions('*.hachyderm.io')).toEqual([1])
        expect(await store.listVersions('hachyderm.io')).toEqual([2])
      })

      test.each(['../x', 'a/b', '', '.x', '-x'])('refuses the certificate name %j', async (certificate) => {
        await expect(store.addVersion({ ...first, certificate })).rejects.toThrow(TypeError)
        await expect(store.listVersions(certificate)).rejects.toThrow(TypeError)
      })

      test.each([0, -1, 1.5, Number.NaN])('refuses the number %j', async (number) => {
        await expect(store.addVersion({ ...first, number })).rejects.toThrow(TypeError)
      })
    })

    describe('private keys', () => {
      test('what anybody may know of a version is told without its key, and with the sum of its file', async () => {
        expect(await store.getPublicVersion(name, 1)).toBeUndefined()
        await store.addVersion(first)
        await reopen()
        const { certificate, number, leaf, chain } = first
        expect(await store.getPublicVersion(name, 1)).toEqual({
          certificate,
          number,
          leaf,
          chain,
          secretSums: secretSumsOf(filesOf(first)),
        })
      })

      test('are listed for all certificates; written anew, they are what they were', async () => {
        expect(await store.listKeys()).toEqual([])
        await store.addVersion(first)
        await store.addVersion({ ...second, certificate: '*.hachyderm.io', number: 12 })
        await store.rewriteKey(name, 1)
        await reopen()
        const form = store.keys.seals ? 'sealed' : 'clear'
        expect(await store.listKeys()).toEqual([
          { certificate: '*.hachyderm.io', number: 12, form },
          { certificate: name, number: 1, form },
        ])
        expect((await store.getVersion(name, 1))?.key.reveal()).toBe(filesOf(first).privkey)
        expect(await store.getPublicVersion(name, 1)).toMatchObject({
          secretSums: secretSumsOf(filesOf(first)),
        })
        await store.rewriteKey(name, 2)
        expect(await store.listVersions(name)).toEqual([1])
      })

      test('in documents come back as they were, and tell their public half before they do', async () => {
        const pem = filesOf(first).privkey
        await store.put('orders/a', { key: await store.keys.keep(pem) }, undefined)
        await reopen()
        const { key } = (await store.get<{ key: KeptKey }>('orders/a'))!.value
        expect(spkiOf(key)).toBe(readLeaf(first.leaf).spki)
        expect(store.keys.judge(key)).toBe(store.keys.seals ? 'sealed' : 'clear')
        expect(await store.keys.open(key, 'the key of a')).toBe(pem)
      })
    })

    describe('the journal', () => {
      test('is empty at first', async () => {
        expect(await collect(store.journal())).toEqual([])
      })

      test('gives the entries oldest first, numbered from 1 and chained', async () => {
        await store.append(entry)
        await reopen()
        await store.append({ ...entry, phase: 'failed', facts: { error: 'line one\nline two \u2028 end' } })
        const lines = await collect(store.journal())
        expect(lines.map(({ serial }) => serial)).toEqual([1, 2])
        expect(lines[0]).toMatchObject(entry)
        expect(lines[1]).toMatchObject({ phase: 'failed', facts: { error: 'line one\nline two \u2028 end' } })
        expect(new Set(lines.map(({ previous }) => previous)).size).toBe(2)
      })

      test('loses nothing and stays chained when several runs append at once', async () => {
        await using other = await place.open()
        const appends = Array.from({ length: 40 }, (_, n) =>
          (n % 2 ? store : other).append({ ...entry, facts: { n } }),
        )
        await Promise.all(appends)
        const lines = await collect(other.journal())
        expect(lines.map(({ serial }) => serial)).toEqual(Array.from({ length: 40 }, (_, n) => n + 1))
        expect(new Set(lines.map(({ facts }) => facts?.['n'])).size).toBe(40)
      })
    })

    describe('locks', () => {
      test('the second taker is told who holds it and since when, at once', async () => {
        await using held = new AsyncDisposableStack()
        held.use(await store.lock('run', holder))
        await using other = await place.open()
        const began = performance.now()
        const refused = await other.lock('run', { ...holder, command: 'certs plan' }).catch((e: unknown) => e)
        expect(performance.now() - began).toBeLessThan(1000)
        expect(refused).toBeInstanceOf(LockedError)
        expect(String(refused)).toContain(`the run lock of ${store.place} is held by "certs rollout ${name}"`)
        expect(String(refused)).toContain(`pid ${process.pid} on `)
        expect(String(refused)).toContain('since 2026-11-23 12:00:05 UTC')
      })

      test('is free again after its holder let go, and letting go twice is fine', async () => {
        const held = await store.lock('run', holder)
        await held[Symbol.asyncDispose]()
        const next = await store.lock('run', holder)
        await held[Symbol.asyncDispose]()
        await expect(store.lock('run', holder)).rejects.toThrow(LockedError)
        await next[Symbol.asyncDispose]()
      })

      test('locks of different names do not hinder each other, nor reading and writing', async () => {
        await using held = new AsyncDisposableStack()
        held.use(await store.lock('run', holder))
        held.use(await store.lock('watch', holder))
        await store.put('a', 1, undefined)
        await store.append(entry)
      })
    })
  })
}

async function collect(journal: AsyncIterable<JournalLine>): Promise<JournalLine[]> {
  const lines: JournalLine[] = []
  for await (const line of journal) lines.push(line)
  return lines
}
