import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openFiles } from '../../src/state/files.ts'
import { start } from '../support/strace.ts'
import { writer } from './writer.ts'

let parent: string
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'certs-lock-'))
})
afterAll(() => rm(parent, { recursive: true }))

const holder = { command: 'certs plan', since: '2026-11-23T12:00:05Z' }

test('of eight processes that race for a lock, one is inside at a time', async () => {
  const folder = join(parent, 'race')
  const runs = await Promise.all(Array.from({ length: 8 }, () => start(writer(folder, 'race'))))
  for (const run of runs) run.go()
  await Promise.all(runs.map((run) => run.ended()))
  expect(runs.flatMap((run) => run.lines())).toEqual(Array.from({ length: 8 }, () => '{"ok":true}'))
})

test('the kernel frees the lock of a killed run, even while a child of it lives on', async () => {
  const folder = join(parent, 'killed')
  const run = await start(writer(folder, 'hold'))
  run.go()
  await expect.poll(() => run.lines().length).toBe(1)
  const { child }: { child: number } = JSON.parse(run.lines()[0] ?? '')
  await using store = await openFiles(folder)
  try {
    const refused = await store.lock('run', holder).catch((error: unknown) => error)
    expect(refused).toMatchObject({
      name: 'LockedError',
      message: expect.stringMatching(
        `the run lock of ${folder} is held by "certs hold" \\(pid ${run.pid} on .+\\) since 2026-11-23 12:00:05 UTC`,
      ),
      hints: [`wait until it ends, or stop it: kill ${run.pid}`],
    })
    const inode = (await stat(join(folder, 'locks/run.lock'))).ino
    process.kill(run.pid, 'SIGKILL')
    await run.ended()
    await using held = new AsyncDisposableStack()
    held.use(await store.lock('run', holder))
    expect(process.kill(child, 0)).toBe(true)
    expect((await stat(join(folder, 'locks/run.lock'))).ino).toBe(inode)
  } finally {
    process.kill(child, 'SIGKILL')
  }
})

test('processes that append to the journal at once lose no line', async () => {
  const folder = join(parent, 'appends')
  const list = Array.from({ length: 10 }, () => 'append').join(',')
  const runs = await Promise.all(Array.from({ length: 4 }, () => start(writer(folder, list))))
  for (const run of runs) run.go()
  await Promise.all(runs.map((run) => run.ended()))
  await using store = await openFiles(folder)
  const serials: number[] = []
  for await (const { serial } of store.journal()) serials.push(serial)
  expect(serials).toEqual(Array.from({ length: 40 }, (_, i) => i + 1))
})
