import { mkdtemp, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { createPrivateKey } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Version } from '../../src/core/certificate.ts'
import { StateError } from '../../src/core/errors.ts'
import { openFiles } from '../../src/state/files.ts'
import type { Store } from '../../src/state/store.ts'
import { issueVersion } from '../support/issue-version.ts'

const name = 'media.hachyderm.io'
let parent: string
let folder: string
let store: Store
let versions: Version[]
let count = 0

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'certs-damage-'))
  versions = await Promise.all([1, 2].map((number) => issueVersion(name, number)))
})
afterAll(() => rm(parent, { recursive: true }))
beforeEach(async () => {
  folder = join(parent, String(count++))
  store = await openFiles(folder)
})
afterEach(() => store[Symbol.asyncDispose]())

/** Changes a file as no program of ours does: in place. */
const damage = (path: string, bytes: Uint8Array | string) => writeFile(path, bytes, { flag: 'r+' })
const cut = async (path: string, bytes: Uint8Array) => {
  await unlink(path)
  await writeFile(path, bytes, { mode: 0o600 })
}
const read = (key: string) => store.get(key).catch((error: unknown) => error)

describe('a damaged document', () => {
  const value = { url: 'https://ca.test/order/1', names: [name], tries: 3 }

  test('is refused, cut at any byte, and never taken for an absent one', async () => {
    await store.put('orders/a', value, undefined)
    const path = join(folder, 'documents/orders/a.json')
    const bytes = await readFile(path)
    for (let length = 0; length < bytes.length; length++) {
      await cut(path, bytes.subarray(0, length))
      expect(await read('orders/a')).toBeInstanceOf(StateError)
    }
    await expect(store.put('orders/a', value, undefined)).rejects.toThrow(StateError)
  })

  test('is refused with any one bit flipped', async () => {
    await store.put('orders/a', { ...value, more: 'ä'.repeat(550) }, undefined)
    const path = join(folder, 'documents/orders/a.json')
    const bytes = await readFile(path)
    expect(bytes.length * 8).toBeGreaterThan(10_000)
    const step = process.env['CERTS_FAULTS'] === 'all' ? 1 : 5
    for (let bit = 0; bit < bytes.length * 8; bit += step) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await damage(path, flipped)
      const found = await read('orders/a')
      if (!(found instanceof StateError)) expect.fail(`bit ${bit} was not noticed`)
    }
    await damage(path, bytes)
    expect(await read('orders/a')).toMatchObject({ value: { tries: 3 } })
  }, 60_000)

  test('is named with the way out', async () => {
    await store.put('orders/a', value, undefined)
    const path = join(folder, 'documents/orders/a.json')
    await cut(path, Buffer.of())
    const error = await read('orders/a')
    expect(error).toMatchObject({
      message: `reading ${path} failed: its checksum does not match, so it was damaged or edited`,
      hints: [
        'restore it from a backup',
        `without one, put it aside and what it held is made anew: mv ${path} ${path}.damaged`,
      ],
    })
  })
})

describe('a version', () => {
  test('with the key of another one is refused, naming both files', async () => {
    const [first, second] = versions
    if (!first || !second) throw new Error('no versions')
    await store.addVersion(first)
    const [key, leaf] = ['privkey1.pem', 'cert1.pem'].map((file) => join(folder, 'archive', name, file))
    await damage(key ?? '', second.key.reveal())
    const error = await store.getVersion(name, 1).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(StateError)
    expect(String(error)).toContain(`reading ${key} failed: it does not belong to ${leaf}`)
    await expect(store.addVersion(first)).rejects.toThrow(StateError)
  })

  test('whose private number is damaged is refused, though its public half still fits the leaf', async () => {
    const [first] = versions
    if (!first) throw new Error('no version')
    await store.addVersion(first)
    const der = createPrivateKey(first.key.reveal()).export({ type: 'pkcs8', format: 'der' })
    const at = der.indexOf(Buffer.from([0x04, 0x20])) + 20
    der[at] = (der[at] ?? 0) ^ 1
    const pem = createPrivateKey({ key: der, type: 'pkcs8', format: 'der' }).export({
      type: 'pkcs8',
      format: 'pem',
    })
    await damage(join(folder, 'archive', name, 'privkey1.pem'), pem)
    await expect(store.getVersion(name, 1)).rejects.toThrow(StateError)
  })

  test.each(['cert', 'chain', 'fullchain'])('with a damaged %s is refused', async (kind) => {
    const [first] = versions
    if (!first) throw new Error('no version')
    await store.addVersion(first)
    const path = join(folder, 'archive', name, `${kind}1.pem`)
    const bytes = await readFile(path)
    for (const at of [40, bytes.length >> 1, bytes.length - 40]) {
      const flipped = Buffer.from(bytes)
      flipped[at] = (flipped[at] ?? 0) ^ 2
      await damage(path, flipped)
      await expect(store.getVersion(name, 1)).rejects.toThrow(StateError)
    }
  })

  test.each(['privkey', 'cert', 'chain', 'fullchain'])(
    'without its %s is not one, but keeps its number',
    async (kind) => {
      for (const version of versions) await store.addVersion(version)
      await unlink(join(folder, 'archive', name, `${kind}2.pem`))
      expect(await store.listVersions(name)).toEqual([1])
      expect(await store.getVersion(name, 2)).toBeUndefined()
      expect(await store.highestNumber(name)).toBe(2)
      // The run that was killed half-way comes again with the same bytes.
      if (versions[1]) await store.addVersion(versions[1])
      expect(await store.listVersions(name)).toEqual([1, 2])
    },
  )
})
