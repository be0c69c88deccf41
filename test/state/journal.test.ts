import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { sha256 } from '../../src/core/certificate.ts'
import { openFiles } from '../../src/state/files.ts'
import { verifyJournal } from '../../src/state/journal.ts'
import type { Entry, Store } from '../../src/state/store.ts'

let parent: string
let path: string
let store: Store
let count = 0

const entry = (serial: number, text = ''): Entry => ({
  at: '2026-11-23T12:00:05.000Z',
  run: 'r1',
  certificate: 'media.hachyderm.io',
  action: `act ${serial}`,
  phase: 'done',
  ...(text ? { because: text } : {}),
})

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'certs-journal-'))
})
afterAll(() => rm(parent, { recursive: true }))
beforeEach(async () => {
  const folder = join(parent, String(count++))
  path = join(folder, 'journal.ndjson')
  store = await openFiles(folder)
  for (let serial = 1; serial <= 4; serial++) await store.append(entry(serial))
})
afterEach(() => store[Symbol.asyncDispose]())

const lines = async () => (await readFile(path, 'utf8')).split('\n').slice(0, -1)
const actions = async () => {
  const found: string[] = []
  for await (const { action } of store.journal()) found.push(action)
  return found
}

test('a line carries its serial and the SHA-256 of the line before as it stands in the file', async () => {
  const [first = '', second = ''] = await lines()
  expect(JSON.parse(first)).toEqual({ serial: 1, previous: sha256(''), ...entry(1) })
  expect(JSON.parse(second)).toEqual({ serial: 2, previous: sha256(first), ...entry(2) })
  expect(verifyJournal(await lines())).toBeUndefined()
})

test('a last line torn at any byte is left out, and the next append takes its place', async () => {
  const whole = await readFile(path)
  const start = whole.lastIndexOf(10, -2) + 1
  for (let length = start; length < whole.length; length += process.env['CERTS_FAULTS'] === 'all' ? 1 : 7) {
    await writeFile(path, whole.subarray(0, length))
    expect(await actions()).toEqual(['act 1', 'act 2', 'act 3'])
    await store.append(entry(9))
    expect(await actions()).toEqual(['act 1', 'act 2', 'act 3', 'act 9'])
    expect(verifyJournal(await lines())).toBeUndefined()
  }
})

test('a torn first line leaves an empty journal, which begins anew', async () => {
  await truncate(path, 20)
  expect(await actions()).toEqual([])
  await store.append(entry(1))
  expect(await actions()).toEqual(['act 1'])
})

test('lines longer than what is read at once are chained like any other', async () => {
  for (const length of [8000, 8192, 20_000, 200_000]) await store.append(entry(length, 'ä'.repeat(length)))
  await store.append(entry(9))
  expect(await actions()).toHaveLength(9)
  expect(verifyJournal(await lines())).toBeUndefined()
})

test.each([
  ['changed', (all: string[]) => all.with(1, all[1]!.replace('act 2', 'act 7')), 3, /changed/],
  ['taken out', (all: string[]) => all.toSpliced(1, 1), 2, /its serial is 3 where 2 belongs/],
  ['put in', (all: string[]) => all.toSpliced(1, 0, all[0]!), 2, /its serial is 1 where 2 belongs/],
  ['swapped', (all: string[]) => [all[0]!, all[2]!, all[1]!, all[3]!], 2, /its serial is 3/],
  ['taken from the beginning', (all: string[]) => all.slice(1), 1, /its serial is 2 where 1 belongs/],
  ['replaced by noise', (all: string[]) => all.with(2, 'x'), 3, /not a journal line/],
  ['replaced by null', (all: string[]) => all.with(2, 'null'), 3, /not a journal line/],
])('a line that was %s is named', async (_, tamper, line, because) => {
  const tampered = tamper(await lines())
  expect(verifyJournal(tampered)).toMatchObject({ line, because: expect.stringMatching(because) })
  await writeFile(path, tampered.map((text) => `${text}\n`).join(''))
  await expect(actions()).rejects.toThrow(`reading ${path} failed at line ${line}: `)
})

test('nothing is chained to a last line that is no journal line', async () => {
  await appendFile(path, 'noise\n')
  const before = await readFile(path)
  await expect(store.append(entry(5))).rejects.toThrow(`reading ${path} failed at its last line`)
  expect(await readFile(path)).toEqual(before)
})
