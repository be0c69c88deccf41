import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readLeaf } from '../src/core/certificate.ts'
import type { Version } from '../src/core/certificate.ts'
import { StateError } from '../src/core/errors.ts'
import { openFiles } from '../src/state/files.ts'
import type { Store } from '../src/state/store.ts'
import { openWithdrawals, type Withdrawals } from '../src/withdrawals.ts'
import { issueVersion } from './support/issue-version.ts'

const name = 'media.hachyderm.io'

let folder: string
let store: Store
let withdrawals: Withdrawals
let version: Version
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'certs-withdrawals-'))
  store = await openFiles(folder)
  withdrawals = openWithdrawals(store)
  version = await issueVersion(name, 1)
})
afterAll(async () => {
  await store[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

test('a key is blocked once: who blocks it again hears the first reason', async () => {
  const first = {
    certificate: name,
    number: 1,
    reason: 'keyCompromise',
    at: '2026-11-23T10:00:00.000Z',
  } as const
  expect(await withdrawals.block(version, first)).toEqual(first)
  const second = { ...first, reason: 'superseded', at: '2026-11-24T10:00:00.000Z' } as const
  expect(await withdrawals.block(version, second)).toEqual(first)

  await withdrawals.revoked(version, '2026-11-23T10:05:00.000Z')
  const { blocked } = (await withdrawals.recall())(name)
  expect([...blocked]).toEqual([
    [readLeaf(version.leaf).spki, { ...first, revokedAt: '2026-11-23T10:05:00.000Z' }],
  ])
})

test('a blocked key counts for every certificate', async () => {
  const { blocked } = (await withdrawals.recall())('another.example')
  expect(blocked.size).toBe(1)
})

test('an order under way for a blocked key is refused with the way out; for any other key it is not', async () => {
  const other = await issueVersion(name, 2)
  await expect(withdrawals.refuseOrder(name)).resolves.toBeUndefined()
  const revision = await store.put(`orders/${name}`, { key: other.key.reveal() }, undefined)
  await expect(withdrawals.refuseOrder(name)).resolves.toBeUndefined()

  await store.put(`orders/${name}`, { key: version.key.reveal() }, revision)
  const error = await withdrawals.refuseOrder(name).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(StateError)
  expect(error).toMatchObject({
    message: `issuing ${name} failed: the order under way is for a key that is blocked`,
    hints: [expect.stringContaining(`take the document orders/${name} out of`)],
  })
})

test('what was asked for is recalled until it is settled', async () => {
  const asked = { number: 1, at: '2026-11-23T10:00:00.000Z' }
  await withdrawals.ask(name, asked)
  expect((await withdrawals.recall())(name).asked).toEqual(asked)
  expect((await withdrawals.recall())('another.example').asked).toBeUndefined()
  await withdrawals.settle(name)
  await withdrawals.settle(name)
  expect((await withdrawals.recall())(name).asked).toBeUndefined()
})
