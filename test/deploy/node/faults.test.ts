import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, test, vi } from 'vitest'
import { inspect } from '../../../deploy/inspect.ts'
import { install, rollback } from '../../../deploy/install.ts'
import { NodeError } from '../../../src/core/errors.ts'
import { fakeNode, snapshot, type FakeNode } from '../../support/fake-node.ts'
import { certificate, one, order, two } from '../../support/installing.ts'
import { nodeFailure } from '../../support/node-failure.ts'
import { sample, straceMissing } from '../../support/strace.ts'

vi.setConfig({ testTimeout: process.env['CERTS_FAULTS'] === 'all' ? 1_200_000 : 120_000 })

const linksOnly = ['/usr/bin/perl', '/usr/bin/python3']

/** Puts the root on a small file system of its own, and what is left there back into the real one. */
function onSmallDisk(fake: FakeNode, size: string) {
  const kept = join(fake.folder, 'kept')
  const setup = [
    `cp -a ${fake.root} ${kept}`,
    `mount -t tmpfs -o mode=755,${size} tmpfs ${fake.root} && cp -a ${kept}/. ${fake.root}/ && rm -rf ${kept}`,
  ].join('\n')
  const around = ['sh', '-c', `"$@"; code=$?; cp -a ${fake.root} ${kept}; exit $code`, 'sh']
  return { setup, around, kept }
}

describe('a disk that is full', () => {
  const sizes = [
    ...Array.from({ length: 14 }, (_, i) => `size=${(9 + i) * 4}k`),
    ...Array.from({ length: 22 }, (_, i) => `nr_inodes=${18 + i}`),
  ]
  test.each([[[]], [linksOnly]])('leaves the node as it was, at any point (without %s)', async (without) => {
    const seen = new Set<string>()
    for (const size of sample(sizes, 10)) {
      using fake = fakeNode()
      fake.lay(one)
      const before = snapshot(fake.root, { times: false })
      const { kept, ...disk } = onSmallDisk(fake, size)
      const result = await install(fake.shell({ ...disk, without }), fake.node, order).catch(
        (e: unknown) => e,
      )
      if (result instanceof NodeError) {
        seen.add(result.step)
        expect([size, result]).toMatchObject([size, { left: 'unchanged' }])
        expect(result.detail).toMatch(/No space left on device/)
        expect([size, snapshot(kept, { times: false })]).toEqual([size, before])
      } else {
        seen.add('installed')
        expect([size, result]).toMatchObject([size, { outcome: 'installed' }])
      }
    }
    expect([...seen]).toEqual(expect.arrayContaining(['stage', 'switch', 'installed']))
  })
})

test('a root that is mounted read-only is seen by inspect and refused by install', async () => {
  for (const sh of [['dash'], ['bash', '--posix'], ['busybox', 'sh']]) {
    using fake = fakeNode()
    fake.lay(one)
    const before = snapshot(fake.root)
    const setup = `mount --bind ${fake.root} ${fake.root} && mount -o remount,bind,ro ${fake.root}`
    const seen = await inspect(fake.shell({ sh, setup }), fake.node, [certificate])
    expect(seen.disk.writable).toBe(false)
    expect((await inspect(fake.shell({ sh }), fake.node, [certificate])).disk.writable).toBe(true)
    const error = await nodeFailure(install(fake.shell({ sh, setup }), fake.node, order))
    expect(error).toMatchObject({ step: 'stage', left: 'unchanged' })
    expect(error.detail).toMatch(/Read-only file system/)
    expect(snapshot(fake.root)).toEqual(before)
  }
})

test('a file system that refuses the exchange is switched link by link', async () => {
  using fake = fakeNode()
  fake.lay(one)
  const upper = join(fake.folder, 'upper')
  const kept = join(fake.folder, 'kept')
  const setup = [
    `mkdir ${upper} && mount -t tmpfs tmpfs ${upper} && mkdir ${upper}/up ${upper}/work`,
    `mount -t overlay -o lowerdir=${fake.root},upperdir=${upper}/up,workdir=${upper}/work overlay ${fake.root}`,
  ].join('\n')
  const trace = join(fake.folder, 'trace')
  const strace = ['strace', '-f', '-o', trace, '-e', 'trace=?rename,?renameat,?renameat2']
  const around = ['sh', '-c', `"$@"; code=$?; cp -a ${fake.root} ${kept}; exit $code`, 'sh', ...strace]
  expect(await install(fake.shell({ setup, around }), fake.node, order)).toMatchObject({
    outcome: 'installed',
    former: 1,
  })
  expect(readFileSync(trace, 'utf8')).toMatch(/RENAME_EXCHANGE\) = -1 EXDEV/)
  expect(existsSync(join(kept, 'live', `.${certificate}.next`))).toBe(false)
})

describe.skipIf(straceMissing).each([[[]], [linksOnly]])(
  'a system call that fails (without %s)',
  (without) => {
    const faults = [
      ...['fsync', 'linkat', 'symlinkat', 'rename', 'renameat2', 'mkdir', 'fchmodat', 'unlinkat'].flatMap(
        (call) => ['error=EIO', 'signal=SIGKILL'].map((fault) => `?${call}:${fault}:when=1`),
      ),
      ...['clone', 'vfork', 'clone3'].map((call) => `?${call}:error=EAGAIN:when=40+`),
      'renameat2:error=EINVAL',
      'renameat2:error=ENOSYS',
    ]
    test('leaves the node untouched, restored, complete, or says that a person is needed; a rerun completes it', async () => {
      for (const fault of sample(faults, 6)) {
        using fake = fakeNode()
        fake.lay(one)
        const before = snapshot(fake.root, { times: false })
        const [call] = fault.split(':')
        const around = [
          'strace',
          '-f',
          '--seccomp-bpf',
          '-o',
          '/dev/null',
          '-e',
          `trace=${call}`,
          '-e',
          `inject=${fault}`,
        ]
        const result = await install(fake.shell({ without, around }), fake.node, order).catch(
          (e: unknown) => e,
        )
        if (!(result instanceof NodeError))
          expect([fault, result]).toMatchObject([fault, { lineage: { pair: 'matches' } }])
        else if (result.left === 'unchanged' || result.left === 'restored') {
          const live = (all: Record<string, string>) =>
            Object.entries(all).filter(([path]) => /^live\/[^.]/.test(path))
          expect([fault, live(snapshot(fake.root, { times: false }))]).toEqual([fault, live(before)])
        } else expect([fault, result.left]).toEqual([fault, expect.stringMatching(/degraded|unknown/)])
        const again = await install(fake.shell({ without }), fake.node, order)
        expect([fault, again]).toMatchObject([
          fault,
          { lineage: { pair: 'matches', live: { privkey: { number: 2 } } } },
        ])
        const left = Object.keys(snapshot(fake.root)).filter((path) => /\/\.(?!certs)/.test(path))
        expect([fault, ...left]).toEqual([fault])
      }
    })
  },
)

test.skipIf(straceMissing)(
  'no file is reachable before it is durable, and none is made wider than 0600',
  async () => {
    for (const without of [[], linksOnly]) {
      using fake = fakeNode()
      fake.lay(one)
      const trace = join(fake.folder, 'trace')
      const calls = 'trace=openat,creat,umask,fsync,?link,linkat,?rename,renameat,renameat2'
      const around = ['strace', '-f', '-y', '-s', '300', '-o', trace, '-e', calls]
      await install(fake.shell({ without, around }), fake.node, order)
      const lines = readFileSync(trace, 'utf8').split('\n')
      const first = (pattern: RegExp) => {
        const at = lines.findIndex((line) => pattern.test(line))
        expect([pattern, at]).not.toEqual([pattern, -1])
        return at
      }
      const linked = first(/linkat\(.*privkey2\.pem.* = 0$/)
      for (const kind of ['privkey', 'cert', 'chain', 'fullchain']) {
        expect(first(new RegExp(`fsync\\(.*\\.stage/${kind}2\\.pem>\\) += 0`))).toBeLessThan(linked)
      }
      const moved = first(/RENAME_EXCHANGE\) = 0$|rename.*\.next\/privkey\.pem", .*privkey\.pem".*\) = 0$/)
      expect(linked).toBeLessThan(moved)
      expect(first(new RegExp(`fsync\\(.*archive/${certificate}>\\) += 0`))).toBeLessThan(moved)
      expect(first(new RegExp(`fsync\\(.*live/\\.${certificate}\\.next>\\) += 0`))).toBeLessThan(moved)
      expect(lines.findLastIndex((line) => /fsync\(.*\/live>\) += 0/.test(line))).toBeGreaterThan(moved)

      for (const kind of ['privkey', 'cert', 'chain', 'fullchain']) {
        const made =
          lines[first(new RegExp(`\\.stage/${kind}2\\.pem", O_WRONLY\\|O_CREAT\\|O_EXCL, 0666`))] ?? ''
        const masks = lines.filter((line) => line.startsWith(`${made.split(' ')[0]} umask(`))
        expect(masks.filter((line) => !line.includes('umask(077)'))).toEqual([])
      }
      expect(first(/ umask\(077\)/)).toBeLessThan(linked)
    }
  },
)

test('another user never reads a byte of the key', async () => {
  using fake = fakeNode()
  fake.lay(one)
  // Every folder open, so that only the file's own mode protects it.
  for (const path of ['', 'etc', 'etc/letsencrypt', 'etc/letsencrypt/archive', 'etc/letsencrypt/live'])
    chmodSync(join(fake.folder, path), 0o755)
  chmodSync(fake.path('archive', certificate), 0o755)
  chmodSync(fake.path('archive', certificate, 'privkey1.pem'), 0o644)
  const seen = join(fake.folder, 'seen')
  mkdirSync(seen, { mode: 0o777 })
  chmodSync(seen, 0o777)
  const archive = fake.path('archive', certificate)
  const loop = `while :; do for f in ${archive}/privkey2.pem ${archive}/.stage/privkey2.pem ${archive}/.*; do [ -f "$f" ] && cat "$f" >>${seen}/bytes 2>/dev/null; done; : >>${seen}/turns; printf . >>${seen}/turns; done`
  const reader = spawn(
    'setpriv',
    ['--reuid=65534', '--regid=65534', '--clear-groups', '--pdeathsig', 'KILL', 'sh', '-c', loop],
    { stdio: 'ignore' },
  )
  try {
    while (!existsSync(join(seen, 'turns'))) await new Promise((resolve) => setTimeout(resolve, 10))
    const held = [
      'strace',
      '-f',
      '--seccomp-bpf',
      '-o',
      '/dev/null',
      '-e',
      'trace=openat,linkat,fchmodat,fsync',
    ]
    const around = [...held, '-e', 'inject=linkat,fchmodat,fsync:delay_exit=20000']
    await install(fake.shell({ around }), fake.node, order)
    expect(readFileSync(join(seen, 'turns')).length).toBeGreaterThan(20)
    expect(existsSync(join(seen, 'bytes')) ? readFileSync(join(seen, 'bytes'), 'utf8') : '').toBe('')
  } finally {
    reader.kill('SIGKILL')
    await once(reader, 'close')
  }
})

describe('a reader at the same time', () => {
  const turns = process.env['CERTS_FAULTS'] === 'all' ? 60 : 6
  test.each([
    ['the directory exchange', [], 0],
    ['links one after the other', linksOnly, undefined],
  ] as const)('never misses a file while live is switched by %s', async (_, without, mixed) => {
    using fake = fakeNode()
    fake.lay(one, two)
    const stop = new Int32Array(new SharedArrayBuffer(4))
    const reading = readerOf(fake, stop)
    for (let turn = 0; turn < turns; turn++) {
      const number = 1 + (turn % 2)
      await rollback(fake.shell({ without: [...without] }), fake.node, { certificate, number })
    }
    Atomics.store(stop, 0, 1)
    const counted = await reading
    expect(counted).toMatchObject({ missing: 0 })
    if (mixed !== undefined) expect(counted).toMatchObject({ mixed })
    expect(counted.reads).toBeGreaterThan(1000)
  })
})

/** Reads key and chain through one open directory, as fast as it can, until it is told to stop. */
async function readerOf(
  fake: FakeNode,
  stop: Int32Array,
): Promise<{ reads: number; missing: number; mixed: number }> {
  const code = `
    const { workerData: { live, stop, pairs }, parentPort } = require('node:worker_threads')
    const fs = require('node:fs')
    const counted = { reads: 0, missing: 0, mixed: 0 }
    while (!Atomics.load(stop, 0)) {
      counted.reads += 1
      try { fs.readFileSync(live + '/privkey.pem') } catch { counted.missing += 1 }
      const folder = fs.openSync(live, fs.constants.O_DIRECTORY)
      try {
        const read = (kind) => fs.readFileSync('/proc/self/fd/' + folder + '/' + kind + '.pem', 'utf8')
        if (pairs[read('privkey')] !== read('fullchain')) counted.mixed += 1
      } catch (error) {
        // A directory that was switched away may be removed while it is open.
        if (fs.fstatSync(folder).nlink > 0) counted.missing += 1
      }
      fs.closeSync(folder)
    }
    parentPort.postMessage(counted)`
  const pairs = Object.fromEntries(
    [one, two].map((version) => [version.key.reveal(), version.leaf + version.chain]),
  )
  const worker = new Worker(code, {
    eval: true,
    workerData: { live: fake.path('live', certificate), stop, pairs },
  })
  const [counted] = (await once(worker, 'message')) as [{ reads: number; missing: number; mixed: number }]
  await worker.terminate()
  return counted
}
