import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fileKinds, filesOf } from '../../src/core/certificate.ts'
import type { Version } from '../../src/core/certificate.ts'
import { openFiles } from '../../src/state/files.ts'
import { issueVersion } from '../support/issue-version.ts'
import { attach, sample, start, straceMissing, writingCalls } from '../support/strace.ts'
import { newValue, writer } from './writer.ts'

const name = 'media.hachyderm.io'
const oldValue = { url: 'https://ca.test/order/1' }
let parent: string
let versions: Version[]
let secondVersion: string
let count = 0

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'certs-killed-'))
  versions = await Promise.all([1, 2].map((number) => issueVersion(name, number)))
  secondVersion = join(parent, 'version.json')
  await writeFile(secondVersion, JSON.stringify({ ...versions[1], key: versions[1]?.key.reveal() }))
})
afterAll(() => rm(parent, { recursive: true }))

/** A folder with one of each, as it is before the act. */
async function prepared(): Promise<string> {
  const folder = join(parent, `state-${count++}`)
  await using store = await openFiles(folder)
  await store.put('orders/a', oldValue, undefined)
  if (versions[0]) await store.addVersion(versions[0])
  await store.append({ at: 'now', run: 'r', certificate: name, action: 'order', phase: 'intent' })
  return folder
}

/** Runs the act with strace attached; gives how it ended, what it said and each call it made. */
async function traced(folder: string, act: string, injection: readonly string[] = []) {
  const log = join(parent, `trace-${count++}`)
  const run = await start(writer(folder, act), { VERSION: secondVersion })
  const strace = await attach(run.pid, ['-o', log, '-e', `trace=${writingCalls}`, ...injection])
  run.go()
  const end = await run.ended()
  await strace.ended
  return { end, lines: run.lines(), calls: await readCalls(log) }
}

interface Call {
  readonly thread: string
  readonly text: string
}

/** Calls in the order in which they were completed. */
async function readCalls(log: string): Promise<Call[]> {
  const begun = new Map<string, string>()
  return (await readFile(log, 'utf8')).split('\n').flatMap((line) => {
    const [, thread = '', text = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    if (text.endsWith('<unfinished ...>')) {
      begun.set(thread, text.replace(/ *<unfinished \.\.\.>$/, ''))
      return []
    }
    const rest = /^<\.\.\. \w+ resumed>(.*)$/.exec(text)?.[1]
    // strace lines results up in a column where there is room.
    const whole = (rest === undefined ? text : `${begun.get(thread)}${rest}`).replace(/\) +=/, ') =')
    return /^\w+\(/.test(whole) ? [{ thread, text: whole }] : []
  })
}

/**
 * The calls on files as `inject` names them: the Nth of its kind in its thread. Writes that wake a thread
 * count too, and their number differs a little from run to run.
 */
function positions(calls: readonly Call[]): string[] {
  const counts = new Map<string, number>()
  return calls.flatMap(({ thread, text }) => {
    const call = text.slice(0, text.indexOf('('))
    const nth = (counts.get(`${thread} ${call}`) ?? 0) + 1
    counts.set(`${thread} ${call}`, nth)
    return text.includes('[eventfd]') ? [] : [`${call}:signal=SIGKILL:when=${nth}`]
  })
}

async function expectWhole(folder: string): Promise<void> {
  await using store = await openFiles(folder)
  expect([oldValue, newValue]).toContainEqual((await store.get('orders/a'))?.value)
  const numbers = await store.listVersions(name)
  expect([[1], [1, 2]]).toContainEqual(numbers)
  for (const number of numbers) {
    const found = await store.getVersion(name, number)
    const wanted = versions[number - 1]
    expect(found && filesOf(found)).toEqual(wanted && filesOf(wanted))
  }
  for (const kind of fileKinds) {
    // Each link leads to a whole file at every instant.
    const pem = await readFile(join(folder, 'live', name, `${kind}.pem`), 'utf8')
    expect(versions.map((version) => filesOf(version)[kind])).toContain(pem)
  }
  for await (const line of store.journal()) expect(line.serial).toBeLessThanOrEqual(2)
}

async function expectConverged(folder: string): Promise<void> {
  const run = await start(writer(folder, 'put,version,append'), { VERSION: secondVersion })
  run.go()
  expect(await run.ended()).toBe(0)
  expect(run.lines()).toEqual(Array.from({ length: 3 }, () => '{"ok":true}'))
  await using store = await openFiles(folder)
  expect((await store.get('orders/a'))?.value).toEqual(newValue)
  expect(await store.listVersions(name)).toEqual([1, 2])
  for (const kind of fileKinds) {
    const target = await readlink(join(folder, 'live', name, `${kind}.pem`))
    expect(target).toBe(`../../archive/${name}/${kind}2.pem`)
  }
  expect(await readdir(join(folder, 'tmp'))).toEqual([])
}

describe.skipIf(straceMissing)('a run that is killed at any system call', () => {
  test.each(['put', 'version', 'append'] as const)(
    'leaves the old or the new state behind, and the next run converges: %s',
    { timeout: 300_000 },
    async (act) => {
      const undisturbed = await traced(await prepared(), act)
      expect(undisturbed.lines).toEqual(['{"ok":true}'])
      const all = positions(undisturbed.calls)
      expect(all.length).toBeGreaterThan(8)
      let [runs, killed] = [0, 0]
      for (const position of sample(all, 6)) {
        const folder = await prepared()
        const { end } = await traced(folder, act, ['-e', `inject=${position}`])
        runs++
        if (end === 'SIGKILL') killed++
        await expectWhole(folder)
        await expectConverged(folder)
        await rm(folder, { recursive: true })
      }
      expect(killed / runs).toBeGreaterThan(0.8)
    },
  )
})

describe.skipIf(straceMissing)('by the trace of its system calls, a write', () => {
  test.each(['put', 'version', 'append'] as const)(
    'is fsynced before it gets its name, and the folder after it: %s',
    async (act) => {
      const { calls } = await traced(await prepared(), act)
      const texts = calls.map(({ text }) => text)
      const synced = (path: string, from: number, to: number) =>
        texts.slice(from, to).some((text) => text.startsWith('fsync(') && text.includes(`<${path}>) = 0`))
      const lastWrite = (path: string) =>
        texts.findLastIndex((text) => /^p?write(64)?\(/.test(text) && text.includes(`<${path}>`))
      const end = texts.findLastIndex((text) => text.includes('{\\"ok\\":true}'))
      expect(end).toBeGreaterThan(0)

      const named = texts.flatMap((text, at) => {
        const [, from, to] = /^(?:rename|link)(?:at2?)?\("([^"]+)", "([^"]+)"/.exec(text) ?? []
        return from && to ? [{ at, from, to }] : []
      })
      expect(named).toHaveLength({ put: 1, version: 4 + 4, append: 0 }[act])
      for (const { at, from, to } of named) {
        const isLink = texts.some((text) => text.startsWith('symlink') && text.includes(`"${from}"`))
        if (!isLink) expect(lastWrite(from)).toBeGreaterThan(-1)
        if (!isLink) expect(synced(from, lastWrite(from), at)).toBe(true)
        expect(synced(join(to, '..'), at, end)).toBe(true)
      }
      if (act === 'append') {
        const journal = /"([^"]+journal\.ndjson)"/.exec(texts.join('\n'))?.[1] ?? ''
        expect(synced(journal, lastWrite(journal), end)).toBe(true)
      }
    },
  )

  test('never makes a file that others may open, not for an instant', async () => {
    const folder = join(parent, `new-${count++}`)
    const { calls } = await traced(folder, 'version')
    const made = calls.map(({ text }) => text).filter((text) => text.includes('O_CREAT'))
    expect(made.length).toBeGreaterThan(4)
    for (const text of made) expect(text).toMatch(/, 0600 ?\)/)
    for (const { text } of calls.filter((call) => call.text.startsWith('mkdir(')))
      expect(text).toMatch(/, 0700 ?\)/)
  })
})

describe.skipIf(straceMissing)('a disk that fails an fsync', () => {
  test('leaves no line in the journal that may not be there after a power cut', async () => {
    const folder = await prepared()
    const { lines } = await traced(folder, 'append', ['-e', 'inject=fsync:error=EIO:when=1'])
    expect(lines).toEqual([expect.stringContaining('writing ')])
    await using store = await openFiles(folder)
    const serials: number[] = []
    for await (const { serial } of store.journal()) serials.push(serial)
    expect(serials).toEqual([1])
  })

  test.each([
    ['a folder that is there', prepared],
    ['a folder that is yet to be made', async () => join(parent, `new-${count++}`)],
  ])(
    'is an error once and for all in this run, and never a write that is believed: %s',
    { timeout: 120_000 },
    async (_, makeFolder) => {
      const step = process.env['CERTS_FAULTS'] === 'all' ? 1 : 3
      for (let n = 1, failed = true; failed; n += step) {
        const folder = await makeFolder()
        const failing = ['-e', `inject=fsync:error=EIO:when=${n}`]
        const { lines } = await traced(folder, 'put,put,version,append', failing)
        const results = lines.map((line): { ok: boolean; name?: string; error?: string } => JSON.parse(line))
        const first = results.findIndex(({ ok }) => !ok)
        failed = first >= 0
        if (!failed) expect(n).toBeGreaterThan(8)
        for (const result of failed ? results.slice(first) : []) {
          expect(result).toMatchObject({ ok: false, name: 'StateError' })
          expect(result.error).toContain(`writing ${parent}`)
          expect(result.error).toContain('(EIO)')
        }
      }
    },
  )
})
