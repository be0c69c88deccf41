import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { install, rollback } from '../../deploy/install.ts'
import { fileKinds } from '../../src/core/certificate.ts'
import { fakeNode, shells, snapshot, type FakeNode } from '../support/fake-node.ts'
import {
  bring,
  certificate,
  isFormer,
  linksIn,
  linksOnly,
  linksTo,
  livePath,
  one,
  order,
  two,
} from '../support/installing.ts'
import { nodeFailure } from '../support/node-failure.ts'

vi.setConfig({ testTimeout: 60_000 })

/** What install() sends, without sending it. */
async function inputOf(fake: FakeNode): Promise<string> {
  let input = ''
  const shell = {
    ...fake.shell(),
    run: (text: string) => ((input = text), Promise.reject(new Error('not sent'))),
  }
  await install(shell, fake.node, order).catch(() => {})
  return input
}

/** The last word of a failure: live, archive and renewal are what they were, but for the times of folders. */
function expectSame(fake: FakeNode, before: Record<string, string>): void {
  expect(snapshot(fake.root, { times: false })).toEqual(before)
}

describe.for(shells)('on %s', (sh) => {
  test('installs a version, tells each step, and rolls back to the former one', async () => {
    using fake = fakeNode()
    fake.lay(one)
    const shell = fake.shell({ sh })
    const steps: string[] = []
    const installed = await install(shell, fake.node, { ...order, onStep: (step) => steps.push(step) })
    expect(steps).toEqual(['locked', 'staged', 'switched', 'tested', 'reloaded'])
    expect(installed).toMatchObject({ outcome: 'installed', former: 1, lineage: { pair: 'matches' } })
    expect(linksIn(fake)).toEqual(linksTo(2))
    expect(fake.calls()).toEqual(['nginx -t', 'nginx -t', 'systemctl reload nginx'])
    const back = await rollback(shell, fake.node, { certificate, number: 1 })
    expect(back).toMatchObject({ outcome: 'installed', former: 2 })
    expect(linksIn(fake)).toEqual(linksTo(1))
  })

  test('switches live back and does not reload when nginx -t fails by the new version', async () => {
    for (const options of [{ sh }, { sh, ...linksOnly }]) {
      using fake = fakeNode()
      fake.lay(one)
      fake.will('test', `${isFormer(fake)} || { echo 'nginx: [emerg] no' >&2; exit 1; }`)
      const before = snapshot(fake.root, { times: false })
      const steps: string[] = []
      const error = await nodeFailure(bring(fake, { onStep: (step) => steps.push(step) }, options))
      expect(error).toMatchObject({
        step: 'test',
        left: 'restored',
        exitCode: 1,
        detail: 'nginx: [emerg] no',
      })
      expect(error.message).toBe('sally: nginx -t failed (exit 1)')
      expect(error.hints).toEqual(['live was switched back to version 1 and nginx was not reloaded'])
      expect(steps).toEqual(['locked', 'staged', 'switched', 'restored'])
      expect(fake.calls()).toEqual(['nginx -t', 'nginx -t', 'nginx -t'])
      expectSame(fake, before)
    }
  })

  test('switches live back and reloads it when the reload fails', async () => {
    using fake = fakeNode()
    fake.lay(one)
    fake.will('reload', `${isFormer(fake)} || { echo no; exit 3; }`)
    const before = snapshot(fake.root, { times: false })
    const error = await nodeFailure(bring(fake, {}, { sh }))
    expect(error).toMatchObject({ step: 'reload', left: 'restored', exitCode: 3, detail: 'no' })
    expect(fake.calls().at(-1)).toBe('systemctl reload nginx')
    expectSame(fake, before)
  })

  test('runs to its end when the connection dies and signals come', async () => {
    using fake = fakeNode()
    fake.lay(one)
    fake.will('test', `touch ${fake.folder}/testing; sleep 0.2; echo much to say`)
    const shell = fake.shell({ sh, seeProcesses: true })
    const input = await inputOf(fake)
    const child = spawn(shell.command[0] ?? '', shell.command.slice(1), { env: {}, detached: true })
    child.stdin.end(input)
    const ended = once(child, 'exit')
    while (!existsSync(join(fake.folder, 'testing'))) await sleep(5)
    child.stdout.destroy()
    child.stderr.destroy()
    for (const signal of ['SIGHUP', 'SIGPIPE', 'SIGINT', 'SIGTERM'] as const)
      process.kill(-(child.pid ?? 0), signal)
    await ended
    while (existsSync(fake.path('live', `.${certificate}.former`))) await sleep(5)
    expect(linksIn(fake)).toEqual(linksTo(2))
    expect(fake.calls()).toEqual(['nginx -t', 'nginx -t', 'systemctl reload nginx'])
  })

  test('kills a hanging test or reload and undoes', async () => {
    const verbs = ['test', 'reload'] as const
    const hang = async (verb: 'test' | 'reload', without: string[]) => {
      using fake = fakeNode()
      fake.lay(one)
      fake.will(verb, `${isFormer(fake)} || exec sleep 60`)
      const before = snapshot(fake.root, { times: false })
      const error = await nodeFailure(bring(fake, { limit: 1 }, { sh, without }))
      expect(error).toMatchObject({ step: verb, left: 'restored', exitCode: 137 })
      expect(error.message).toMatch(/did not end within 1 s$/)
      expectSame(fake, before)
    }
    await Promise.all(verbs.flatMap((verb) => [hang(verb, []), hang(verb, ['/usr/bin/timeout'])]))
  })
})

test('does nothing at all when files, links and nginx are as wanted, and only reloads when that is asked', async () => {
  using fake = fakeNode()
  fake.lay(one, two)
  const before = snapshot(fake.root)
  expect(await bring(fake)).toMatchObject({ outcome: 'unchanged', former: undefined })
  expect(fake.calls()).toEqual([])
  expect(await bring(fake, { forceReload: true })).toMatchObject({ outcome: 'reloaded', former: undefined })
  expect(fake.calls()).toEqual(['nginx -t', 'systemctl reload nginx'])
  expect(snapshot(fake.root)).toEqual(before)
})

test('touches nothing when nginx -t fails before, and gives its words', async () => {
  using fake = fakeNode()
  fake.lay(one)
  fake.will('test', `echo 'nginx: [emerg] unknown directive "sl" in /etc/nginx/nginx.conf:3' >&2; exit 1`)
  const before = snapshot(fake.root)
  const error = await nodeFailure(bring(fake))
  expect(error).toMatchObject({ step: 'baseline', left: 'unchanged', exitCode: 1 })
  expect(error.detail).toBe('nginx: [emerg] unknown directive "sl" in /etc/nginx/nginx.conf:3')
  expect(snapshot(fake.root)).toEqual(before)
})

test('touches nothing and starts nothing when nginx is not running', async () => {
  using fake = fakeNode()
  fake.lay(one)
  fake.will('status', 'echo inactive; exit 3')
  const before = snapshot(fake.root)
  const error = await nodeFailure(bring(fake))
  expect(error).toMatchObject({ step: 'baseline', left: 'unchanged' })
  expect(error.message).toContain('nginx is not running')
  expect(fake.calls()).toEqual([])
  expect(snapshot(fake.root)).toEqual(before)
})

test('makes a first version, its folders private, and takes all of it away when nginx refuses it', async () => {
  using fake = fakeNode()
  for (const folder of ['live', 'archive', 'renewal']) rmSync(fake.path(folder), { recursive: true })
  const before = snapshot(fake.root, { times: false })
  fake.will('test', `[ ! -e ${fake.path('live', certificate)} ]`)
  for (const options of [{}, linksOnly]) {
    const error = await nodeFailure(bring(fake, {}, options))
    expect(error).toMatchObject({ step: 'test', left: 'restored' })
    expect(error.hints[0]).toMatch(/^live was switched back to what it was /)
    expectSame(fake, before)
  }
  fake.will('test', ':')
  expect(await bring(fake)).toMatchObject({ outcome: 'installed', former: undefined })
  const modes = ['live', 'archive', `live/${certificate}`, `archive/${certificate}`].map((path) =>
    lstatSync(fake.path(path)),
  )
  expect(modes.map(({ mode }) => mode & 0o7777)).toEqual([0o700, 0o700, 0o700, 0o700])
  rmSync(fake.root, { recursive: true })
  expect(await bring(fake)).toMatchObject({ outcome: 'installed' })
})

test('gives the key the owner, group and mode of the key before, never readable by all', async () => {
  const cases = [
    { was: 0o600, gid: 0, is: 0o600 },
    { was: 0o640, gid: 33, is: 0o640 },
    { was: 0o644, gid: 33, is: 0o640 },
    { was: 0o400, gid: 0, is: 0o400 },
    { was: 0o777, gid: 0, is: 0o640 },
  ]
  for (const { was, gid, is } of cases) {
    using fake = fakeNode()
    fake.lay(one)
    chmodSync(fake.path('archive', certificate, 'privkey1.pem'), was)
    chownSync(fake.path('archive', certificate, 'privkey1.pem'), 0, gid)
    await bring(fake)
    const stat = lstatSync(fake.path('archive', certificate, 'privkey2.pem'))
    expect([(stat.mode & 0o7777).toString(8), stat.gid]).toEqual([is.toString(8), gid])
    expect(lstatSync(fake.path('archive', certificate, 'cert2.pem')).mode & 0o7777).toBe(0o644)
  }
})

test('keeps what else lies in live, and the mode and owner of the directory', async () => {
  for (const options of [{}, linksOnly]) {
    using fake = fakeNode()
    fake.lay(one)
    writeFileSync(fake.path('live', certificate, 'combined.pem'), 'for haproxy', { mode: 0o640 })
    chownSync(fake.path('live', certificate), 0, 33)
    chmodSync(fake.path('live', certificate), 0o750)
    const before = snapshot(fake.path('live', certificate), { times: false })
    await bring(fake, {}, options)
    const after = snapshot(fake.path('live', certificate), { times: false })
    const isLink = ([name]: [string, string]) => fileKinds.some((kind) => name === `${kind}.pem`)
    const rest = (all: Record<string, string>) => Object.entries(all).filter((entry) => !isLink(entry))
    expect(rest(after)).toEqual(rest(before))
  }
})

test('takes an archive file that holds the same bytes, and refuses one that holds others', async () => {
  using fake = fakeNode()
  fake.lay(two, one)
  const inode = lstatSync(fake.path('archive', certificate, 'privkey2.pem')).ino
  await bring(fake)
  expect(lstatSync(fake.path('archive', certificate, 'privkey2.pem')).ino).toBe(inode)

  appendFileSync(fake.path('archive', certificate, 'chain2.pem'), '\n')
  const before = snapshot(fake.root)
  const error = await nodeFailure(bring(fake))
  expect(error).toMatchObject({ step: 'stage', left: 'unchanged' })
  expect(error.message).toBe(`sally: archive/${certificate}/chain2.pem exists with other bytes`)
  expect(snapshot(fake.root)).toEqual(before)
})

test('replaces dangling, absolute, cyclic and missing links', async () => {
  for (const options of [{}, linksOnly]) {
    using fake = fakeNode()
    fake.lay(one)
    for (const kind of fileKinds) unlinkSync(livePath(fake, kind))
    symlinkSync('../../archive/gone/privkey9.pem', livePath(fake, 'privkey'))
    symlinkSync(fake.path('archive', certificate, 'cert1.pem'), livePath(fake, 'cert'))
    symlinkSync('chain.pem', livePath(fake, 'chain'))
    symlinkSync('..', livePath(fake, 'fullchain'))
    expect(await bring(fake, {}, options)).toMatchObject({ outcome: 'installed', former: undefined })
    expect(linksIn(fake)).toEqual(linksTo(2))
  }
})

test('puts broken links back as they were when nginx refuses the new version', async () => {
  for (const options of [{}, linksOnly]) {
    using fake = fakeNode()
    fake.lay(one)
    unlinkSync(fake.path('live', certificate, 'chain.pem'))
    unlinkSync(livePath(fake, 'privkey'))
    symlinkSync('nowhere', livePath(fake, 'privkey'))
    fake.will('test', `[ ! -e ${livePath(fake, 'privkey')} ]`)
    const before = snapshot(fake.root, { times: false })
    expect(await nodeFailure(bring(fake, {}, options))).toMatchObject({ left: 'restored' })
    expectSame(fake, before)
  }
})

test('files that something else changed meanwhile are not said to be in place', async () => {
  using fake = fakeNode()
  fake.lay(one)
  fake.will('reload', `echo >>${fake.path('archive', certificate, 'chain2.pem')}`)
  expect(await nodeFailure(bring(fake))).toMatchObject({
    message: 'sally: says version 2 of media.hachyderm.io is in place, but it is not',
    left: 'unknown',
  })
})

test('repairs what nginx complains of when that is this certificate itself', async () => {
  using fake = fakeNode()
  fake.lay(one)
  unlinkSync(livePath(fake, 'privkey'))
  symlinkSync('nowhere', livePath(fake, 'privkey'))
  fake.will(
    'test',
    `[ -e ${livePath(fake, 'privkey')} ] || { echo 'cannot load "${livePath(fake, 'privkey')}"'; exit 1; }`,
  )
  expect(await bring(fake)).toMatchObject({ outcome: 'installed' })
})

test('a process that the reload leaves behind does not hold the run up', async () => {
  using fake = fakeNode()
  fake.lay(one)
  fake.will('reload', 'sleep 60 & :')
  expect(await bring(fake)).toMatchObject({ outcome: 'installed' })
})
