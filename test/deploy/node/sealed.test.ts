import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { inspect } from '../../../deploy/inspect.ts'
import { install, rollback } from '../../../deploy/install.ts'
import { encode, newToken } from '../../../deploy/node/frame.ts'
import { serviceSettings } from '../../../deploy/node/service-settings.ts'
import { sealedProgram } from '../../../deploy/node/program.ts'
import { fakeNode, shells, snapshot, type FakeNode } from '../../support/fake-node.ts'
import { hostileTexts } from '../../support/hostile-texts.ts'
import { certificate, linksIn, linksTo, one, order } from '../../support/installing.ts'
import { pinnedLines, sealedShell } from '../../support/sealed-shell.ts'
import { sample } from '../../support/strace.ts'
import { nginxAlone } from '../../support/nginx-alone.ts'

vi.setConfig({ testTimeout: 60_000 })

test('the installed program is plain POSIX sh to shellcheck', () => {
  // That a function is never called is no fault of a library.
  const checked = spawnSync('shellcheck', ['-s', 'sh', '-e', 'SC2317', '-'], {
    input: sealedProgram('/usr/local/lib/certs/pinned'),
    encoding: 'utf8',
  })
  expect(checked.stdout + checked.stderr).toBe('')
})

describe.for(shells)('installed on %s', (sh) => {
  test('inspects, installs and rolls back as the one that is sent', async () => {
    using fake = fakeNode()
    fake.lay(one)
    const sent = await inspect(fake.shell({ sh }), fake.node, [certificate])
    const shell = sealedShell(fake, { sh })
    const seen = await inspect(shell, fake.node, [certificate])
    const { clock, disk } = seen
    expect(seen).toEqual({ ...sent, clock, disk, program: 'installed' })
    const steps: string[] = []
    const onStep = (step: string) => void steps.push(step)
    expect(await install(shell, fake.node, { ...order, onStep })).toMatchObject({ outcome: 'installed' })
    expect(steps).toEqual(['locked', 'staged', 'switched', 'tested', 'reloaded'])
    expect(linksIn(fake)).toEqual(linksTo(2))
    await rollback(shell, fake.node, { certificate, number: 1 })
    expect(linksIn(fake)).toEqual(linksTo(1))
  })

  test('undoes what nginx refuses', async () => {
    using fake = fakeNode()
    fake.lay(one)
    fake.will('reload', 'exit 1')
    await expect(install(sealedShell(fake, { sh }), fake.node, order)).rejects.toMatchObject({
      step: 'reload',
    })
    expect(linksIn(fake)).toEqual(linksTo(1))
  })

  test('runs nothing of what it is sent, wherever it stands', async () => {
    using fake = fakeNode()
    fake.lay(one)
    const canary = join(fake.folder, 'canary')
    const texts = hostileTexts(canary)
    const whole = encode({ verb: 'inspect', settings: { root: fake.root } }, newToken())
    const main = whole.indexOf("main <<'END_")
    const places = [
      (text: string) => `${text}\n`,
      (text: string) => `${text}\n${whole}`,
      (text: string) => `${whole.slice(0, main)}${text}\n${whole.slice(main)}`,
      (text: string) => whole.replace('\nverb ', () => `\n${text}\nverb `),
      (text: string) => whole.replace('\nverb ', () => `\nverb ${text}\nverb `),
      (text: string) => `${whole}${text}\n`,
    ]
    const before = snapshot(fake.root)
    const shell = sealedShell(fake, { sh })
    for (const place of places) {
      for (const text of [texts.join('\n'), ...sample(texts, 4)]) await shell.run(place(text))
    }
    expect(existsSync(canary)).toBe(false)
    expect(snapshot(fake.root)).toEqual(before)
  })
})

describe('what an order can not ask of the installed program', () => {
  test.each([
    ['another reload', 'reload', { reload: ['sh', '-c', 'id'] }, 'nginx.reload'],
    ['one word more', 'reload', { reload: ['systemctl', 'reload', 'nginx', 'ssh'] }, 'nginx.reload'],
    ['another test', 'test', { test: ['touch', '/canary'] }, 'nginx.test'],
  ] as const)('is %s', async (_, name, nginx, setting) => {
    using fake = fakeNode()
    fake.lay(one)
    const before = snapshot(fake.root)
    const node = { ...fake.node, services: nginxAlone(nginx) }
    const message = `sally: its login takes no other ${setting} than root wrote down there, and the configuration has another`
    const shell = sealedShell(fake)
    for (const act of [() => inspect(shell, node, [certificate]), () => install(shell, node, order)]) {
      await expect(act()).rejects.toMatchObject({
        message,
        left: 'unchanged',
        detail: `written down there: ${fake.node.services['nginx']![name].join(' ')}`,
      })
    }
    expect(fake.calls()).toEqual([])
    expect(snapshot(fake.root)).toEqual(before)
  })

  test('is another root, nor a second one beside the first', async () => {
    using fake = fakeNode()
    using other = fakeNode()
    fake.lay(one)
    const before = snapshot(other.root)
    const shell = sealedShell(fake)
    const node = { ...fake.node, root: other.root }
    await expect(install(shell, node, order)).rejects.toThrow('takes no other paths.root')
    const settings = { root: [fake.root, other.root], ...serviceSettings(fake.node.services) }
    const said = await shell.run(encode({ verb: 'inspect', settings }, newToken()))
    expect(said.stdout).toContain(' error inspect unchanged pinned root\n')
    expect(snapshot(other.root)).toEqual(before)
  })

  test('is anything at all where nothing is written down', async () => {
    using fake = fakeNode()
    fake.lay(one)
    const shell = sealedShell(fake, { edit: (text) => text.replace(/pinned\n$/, 'gone\n') })
    await expect(inspect(shell, fake.node, [certificate])).rejects.toMatchObject({
      message: 'sally: the file that says what its login may do is missing there',
      hints: ['certs nodes setup sally --apply --login root'],
    })
    await expect(inspect(sealedShell(fake, { pinned: '' }), fake.node, [])).rejects.toThrow('paths.root')
  })

  test('is a second verb, or one that it does not know', async () => {
    using fake = fakeNode()
    fake.lay(one)
    const before = snapshot(fake.root)
    const [first, second] = [orderOf(fake, 'inspect'), orderOf(fake, 'rollback')]
    const { stdout } = await sealedShell(fake).run(first + second)
    expect(stdout.match(/ end ok\n/g)).toHaveLength(1)
    const unknown = first.replace(/\nverb .*/, `\nverb ${Buffer.from('shell').toString('base64')}`)
    expect((await sealedShell(fake).run(unknown)).stdout).toContain(' error lock unchanged verb\n')
    expect(snapshot(fake.root)).toEqual(before)
  })

  test('is a token that would be a program to sed', async () => {
    using fake = fakeNode()
    const folder = mkdtempSync(join(tmpdir(), 'certstoken'))
    try {
      const canary = join(folder, 'canary')
      writeFileSync(join(folder, 'x'), `#!/bin/sh\ntouch ${canary}\n`, { mode: 0o755 })
      const [token, hostile] = [newToken(), `/e${folder}/x`]
      expect(hostile).toMatch(/^[A-Za-z0-9/]+$/)
      const input = orderOf(fake, 'inspect', token)
        .replace(`token ${token}`, `token ${hostile}`)
        .replace(`\nend ${token}`, `\nend ${hostile}`)
      const { stderr } = await sealedShell(fake).run(input)
      expect(existsSync(canary)).toBe(false)
      expect(stderr).toBe('the input was cut off or is not ours: nothing was done\n')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

test('input that never ends is cut off, and none of it is kept', async () => {
  using fake = fakeNode()
  const { stderr, exitCode } = await sealedShell(fake).run('x'.repeat(8 * 1024 * 1024))
  expect(exitCode).toBe(1)
  expect(stderr).toBe('the input was cut off or is not ours: nothing was done\n')
})

test('a person who tries the login is told what it is for', async () => {
  using fake = fakeNode()
  const shell = fake.shell({ sh: ['dash', installed(fake)] })
  for (const input of ['', 'id\n', 'exit', '\0\0\0\x05\x01\0\0\0\x03']) {
    const { stdout, stderr, exitCode } = await shell.run(input)
    expect([stdout, exitCode]).toEqual(['', 1])
    expect(stderr).toBe('this login takes the orders of certs, and nothing else\n')
  }
})

test('a program of another version is told from ours, and what it can not read names the way out', async () => {
  using fake = fakeNode()
  fake.lay(one)
  const other = (text: string) => text.replace(/\nsealed [0-9a-f]+/, `\nsealed ${'0'.repeat(64)}`)
  const shell = sealedShell(fake, { edit: other })
  expect(await inspect(shell, fake.node, [certificate])).toMatchObject({ program: 'outdated' })
  const older = sealedShell(fake, { edit: (text) => other(text).replace("'limit '*)", "'nothing '*)") })
  await expect(inspect(older, fake.node, [certificate])).rejects.toMatchObject({
    message: 'sally: inspect gave no complete answer (exit 1)',
    hints: [
      'the program installed there is of another version of certs: certs nodes setup sally --apply --login root',
    ],
  })
})

function installed(fake: FakeNode): string {
  sealedShell(fake)
  return join(fake.folder, 'sealed')
}

function orderOf(fake: FakeNode, verb: 'inspect' | 'rollback', token = newToken()): string {
  const { root, services } = fake.node
  const settings = { root, certificate, number: '1', force: 'yes', ...serviceSettings(services) }
  return encode({ verb, settings }, token)
}

test('what root writes down is compared as it stands', () => {
  expect(pinnedLines({ root: '/etc/letsencrypt', services: nginxAlone() }).split('\n')).toEqual([
    'root /etc/letsencrypt',
    'service nginx',
    'test nginx nginx',
    'test nginx -t',
    'reload nginx systemctl',
    'reload nginx reload',
    'reload nginx nginx',
    '',
  ])
})
