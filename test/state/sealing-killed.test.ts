import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { filesOf } from '../../src/core/certificate.ts'
import type { Version } from '../../src/core/certificate.ts'
import { openFiles } from '../../src/state/files.ts'
import { type AgeIdentity, makeIdentity, vaultOf } from '../support/age-identity.ts'
import { issueVersion } from '../support/issue-version.ts'
import { attach, sample, start, straceMissing, writingCalls } from '../support/strace.ts'
import { writer } from './writer.ts'

const name = 'media.hachyderm.io'
let parent: string
let version: Version
let identity: AgeIdentity
let count = 0

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'certs-sealing-'))
  ;[version, identity] = await Promise.all([issueVersion(name, 1), makeIdentity()])
})
afterAll(() => rm(parent, { recursive: true }))

type Form = 'clear' | 'sealed'

const vaultFor = (form: Form) => vaultOf(form === 'sealed' ? [identity] : [], [identity])

async function prepared(form: Form): Promise<string> {
  const folder = join(parent, `state-${count++}`)
  await using store = await openFiles(folder, vaultFor(form))
  await store.addVersion(version)
  return folder
}

/** Writes the key anew as one that is configured so would, with strace attached. */
async function rewrite(folder: string, form: Form, injection: readonly string[] = []) {
  const log = join(parent, `trace-${count++}`)
  const env = { IDENTITY: identity.text, ...(form === 'sealed' && { SEAL_TO: identity.recipient }) }
  const run = await start(writer(folder, 'rewrite'), env)
  const strace = await attach(run.pid, ['-o', log, '-e', `trace=${writingCalls}`, ...injection])
  run.go()
  const end = await run.ended()
  await strace.ended
  return { end, lines: run.lines(), calls: (await readFile(log, 'utf8')).split('\n') }
}

/** Each call by its name and its number of that name within its thread. */
function positions(calls: readonly string[]): string[] {
  const counts = new Map<string, number>()
  return calls.flatMap((line) => {
    const [, thread = '', call] = /^(\d+)\s+(\w+)\(/.exec(line) ?? []
    if (call === undefined) return []
    const nth = (counts.get(`${thread} ${call}`) ?? 0) + 1
    counts.set(`${thread} ${call}`, nth)
    return line.includes('[eventfd]') ? [] : [`${call}:signal=SIGKILL:when=${nth}`]
  })
}

async function filesWithKey(folder: string): Promise<string[]> {
  const line = version.key.reveal().split('\n')[1]!
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name))
  const texts = await Promise.all(files.map((file) => readFile(file, 'latin1')))
  return files.filter((_, at) => texts[at]!.includes(line)).map((file) => file.slice(folder.length + 1))
}

describe.skipIf(straceMissing)('a run that is killed while it writes a key anew', () => {
  test.each([
    ['sealed', 'clear'],
    ['clear', 'sealed'],
  ] as const)(
    'leaves the key whole at every system call, and the next run brings it to be %s',
    { timeout: 120_000 },
    async (to, from) => {
      const undisturbed = await rewrite(await prepared(from), to)
      expect(undisturbed.lines).toEqual(['{"ok":true}'])
      const all = positions(undisturbed.calls)
      expect(all.length).toBeGreaterThan(8)
      let [runs, killed] = [0, 0]
      const changing = all.filter((position) => /^(write|fsync|rename|link)/.test(position))
      for (const position of new Set([...sample(all, 3), ...changing])) {
        const folder = await prepared(from)
        const { end } = await rewrite(folder, to, ['-e', `inject=${position}`])
        runs++
        if (end === 'SIGKILL') killed++
        await using store = await openFiles(folder, vaultFor(to))
        expect((await store.getVersion(name, 1))?.key.reveal()).toBe(filesOf(version).privkey)
        expect((await rewrite(folder, to)).lines).toEqual(['{"ok":true}'])
        expect((await store.getVersion(name, 1))?.key.reveal()).toBe(filesOf(version).privkey)
        const clear = `archive/${name}/privkey1.pem`
        expect(await filesWithKey(folder)).toEqual(to === 'sealed' ? [] : [clear])
        expect(await readdir(join(folder, 'tmp'))).toEqual([])
      }
      expect(killed / runs).toBeGreaterThan(0.6)
    },
  )
})
