import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { inspect } from '../../../deploy/inspect.ts'
import { install } from '../../../deploy/install.ts'
import { decode, encode, newToken, type Input } from '../../../deploy/node/frame.ts'
import { programPrefix, programs, programText, type Program } from '../../../deploy/node/program.ts'
import type { Said } from '../../../deploy/shell.ts'
import { sha256 } from '../../../src/core/certificate.ts'
import { ConfigError } from '../../../src/core/errors.ts'
import { Secret } from '../../../src/core/secret.ts'
import { fakeNode, shells, snapshot, type FakeNode } from '../../support/fake-node.ts'
import { certificate, one, order, two } from '../../support/installing.ts'
import { hostileTexts } from '../../support/hostile-texts.ts'
import { sample } from '../../support/strace.ts'
import { nginxAlone } from '../../support/nginx-alone.ts'

vi.setConfig({ testTimeout: process.env['CERTS_FAULTS'] === 'all' ? 1_200_000 : 60_000 })

test('the program is plain POSIX sh to shellcheck', () => {
  const parts = (program: Program) => programText(program).split(/(?=^# shellcheck shell=sh$)/m)
  const input = [
    ...new Set([...parts('housekeeping').slice(0, -1), ...parts('audit').slice(0, -1), ...parts('rollout')]),
  ].join('')
  const checked = spawnSync('shellcheck', ['-s', 'sh', '-'], { input, encoding: 'utf8' })
  expect(checked.stdout + checked.stderr).toBe('')
  expect(checked.status).toBe(0)
})

test.each(programs)('what is sent for %s is the program without comments and indentation', (program) => {
  const bare = (text: string) =>
    text
      .split('\n')
      .map((line) => line.trimStart())
      .filter((line) => line !== '' && !line.startsWith('#'))
  expect(programPrefix(program).split('\n').slice(0, -1)).toEqual(bare(programText(program)))
})

describe('an answer', () => {
  const token = 'a1b2c3'
  const at = { node: 'sally', step: 'inspect', left: 'unknown' } as const
  const said = (stdout: string): Said => ({ stdout, stderr: 'sh: \x1b[31mno', exitCode: 9 })

  test('is what carries its token, whatever stands around it', () => {
    const answer = decode(
      said(
        `motd\n${token} said a b\nnoise ${token} end failed\nother end ok\n${token} said\n${token} end ok\nbye\n`,
      ),
      token,
      at,
    )
    expect(answer.ok).toBe(true)
    expect(answer.all('said')).toEqual(['a b', ''])
    expect(answer.last('nothing')).toBeUndefined()
  })

  const broken: Record<string, string> = {
    'nothing at all': '',
    'no end': `${token} said a\n`,
    'an end that is neither ok nor failed': `${token} end perhaps\n`,
    'two ends': `${token} end ok\n${token} end ok\n`,
    'words after the end': `${token} end ok\n${token} said a\n`,
    'the answer to another call': `d4e5f6 outcome installed\nd4e5f6 end ok\n`,
    'an end cut short': `${token} end o`,
  }
  test.each(Object.entries(broken))('is refused as nonsense with %s', (_, stdout) => {
    expect(() => decode(said(stdout), token, at)).toThrow('sally: inspect gave no complete answer (exit 9)')
    try {
      decode(said(stdout), token, at)
    } catch (error) {
      expect(error).toMatchObject({ left: 'unknown', exitCode: 9, detail: 'sh: no' })
    }
  })
})

test('control characters in a setting are refused before anything is sent', () => {
  for (const root of ['/etc/\n', '/etc/\0x', '/\x1b[2J', '/\x7f']) {
    const input: Input = { verb: 'inspect', settings: { root } }
    expect(() => encode(input, newToken())).toThrow(ConfigError)
  }
})

test('bytes that are not those the controller summed up are not taken', async () => {
  using fake = fakeNode()
  fake.lay(one)
  const before = snapshot(fake.root, { times: false })
  const { stdout } = await fake.shell().run(wholeInput(fake, { chain: 'another chain' }))
  expect(stdout).toMatch(/ error stage unchanged staging\n/)
  expect(stdout).toMatch(/ said sha256sum: WARNING: 2 computed checksums did NOT match\n/)
  expect(snapshot(fake.root, { times: false })).toEqual(before)
})

test('a line that is no base64 word, or that nobody asked for, makes the whole input void', async () => {
  using fake = fakeNode()
  fake.lay(one)
  const before = snapshot(fake.root)
  for (const line of ['order $(id)', 'chain a b', 'privkey', 'nonsense YQ==', "verb 'install'"]) {
    const { stdout, exitCode } = await fake
      .shell()
      .run(wholeInput(fake).replace(/(?<=\n)end /, `${line}\nend `))
    expect([line, stdout.trim(), exitCode]).toEqual([line, '', 1])
  }
  expect(snapshot(fake.root)).toEqual(before)
})

test('the key is on no command line and in no environment', async () => {
  using fake = fakeNode()
  fake.lay(one)
  const trace = join(fake.folder, 'trace')
  const around = ['strace', '-f', '-v', '-s', '100000', '-e', 'trace=execve', '-o', trace]
  await install(fake.shell({ around }), fake.node, order)
  const executed = readFileSync(trace, 'utf8')
  expect(executed).toContain('base64')
  for (const line of two.key
    .reveal()
    .split('\n')
    .filter((text) => text.length > 20 && !text.startsWith('-'))) {
    expect(executed).not.toContain(line.slice(0, 16))
    expect(executed).not.toContain(Buffer.from(line).toString('base64').slice(4, 20))
  }
})

describe.for(shells)('on %s', (sh) => {
  test('noise before, between and after changes nothing', async () => {
    using fake = fakeNode()
    fake.lay(one)
    const noisy = 'printf "no newline"; printf "d0 end ok\\n" >&2; "$@"; printf "d0 end failed\\nbye"'
    fake.will('test', 'echo "end ok"; echo "$token end ok"')
    const shell = fake.shell({ sh, around: ['sh', '-c', noisy, 'sh'] })
    expect(await install(shell, fake.node, order)).toMatchObject({ outcome: 'installed' })
    expect(await inspect(shell, fake.node, [certificate])).toMatchObject({
      services: { nginx: { test: { ok: true } } },
    })
  })

  test('input that is cut off anywhere does nothing', async () => {
    using fake = fakeNode()
    fake.lay(one)
    const input = wholeInput(fake)
    // What lacks only the here-document's own last line is whole, and to bash so is what lacks its line end, too.
    const whole = input.lastIndexOf('\nEND_') - 1
    const every500 = Array.from({ length: Math.ceil(whole / 500) }, (_, i) => i * 500)
    const tail = Array.from({ length: 60 }, (_, i) => whole - i)
    const before = snapshot(fake.root)
    await inTurns(sample([...every500, ...tail], 40), async (length) => {
      const { stdout } = await fake.shell({ sh }).run(input.slice(0, length))
      expect([length, stdout.trim()]).toEqual([length, ''])
    })
    expect(snapshot(fake.root)).toEqual(before)
    await fake.shell({ sh }).run(input)
    expect(snapshot(fake.root)).not.toEqual(before)
  })

  test('hostile values are data in every field', async () => {
    using fake = fakeNode()
    const canary = join(fake.folder, 'canary')
    const texts = hostileTexts(canary)
    const argv = join(fake.folder, 'argv')
    fake.will('test', `printf '%s\\0' "$@" >${argv}`)
    const printed = texts.filter((text) => isOneLine(text))
    const node = { ...fake.node, services: nginxAlone({ test: ['nginx', ...printed] }) }
    await inspect(fake.shell({ sh }), node, [])
    expect(readFileSync(argv, 'utf8').split('\0').slice(0, -1)).toEqual(printed)

    const before = snapshot(fake.root)
    await inTurns(sample(texts, 10), async (text) => {
      for (const name of ['root', 'certificate', 'service', 'number', 'limit', 'sum', 'force', 'nonsense']) {
        await fake.shell({ sh }).run(rawInput({ ...settingsOf(fake), [name]: text }))
      }
    })
    expect(existsSync(canary)).toBe(false)
    expect(snapshot(fake.root)).toEqual(before)
  })

  test('file contents are taken as they are', async () => {
    using fake = fakeNode()
    const canary = join(fake.folder, 'canary')
    const contents = `${hostileTexts(canary).join('\n').replaceAll('\0', '')}\nEND_x\nend x\n`
    const version = { ...two, key: new Secret(contents), chain: contents }
    await install(fake.shell({ sh }), fake.node, { ...order, version })
    const kept = readFileSync(fake.path('archive', certificate, 'privkey2.pem'), 'utf8')
    expect(kept).toBe(`${contents.replaceAll('\r\n', '\n').trim()}\n`)
    expect(existsSync(canary)).toBe(false)
  })
})

function settingsOf(fake: FakeNode): Record<string, string> {
  return {
    root: fake.root,
    certificate,
    number: '2',
    force: 'no',
    limit: '5',
    service: 'nginx',
    test: 'nginx true',
    reload: 'nginx true',
  }
}

/** An order with settings that encode() itself would refuse. */
function rawInput(settings: Record<string, string>): string {
  const token = newToken()
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`)
  const input = encode({ verb: 'inspect', settings: {} }, token)
  const [prefix = '', rest = ''] = input.split(/order [^\n]*\n/)
  return `${prefix}order ${Buffer.from(lines.join('')).toString('base64')}\n${rest}`
}

function wholeInput(fake: FakeNode, instead: { readonly chain?: string } = {}): string {
  const files = { privkey: two.key.reveal(), cert: two.leaf, chain: two.chain }
  const sum = Object.entries({ ...files, fullchain: files.cert + files.chain }).map(
    ([kind, pem]) => `${kind} ${sha256(pem)}`,
  )
  return encode(
    { verb: 'install', settings: { ...settingsOf(fake), sum }, files: { ...files, ...instead } },
    newToken(),
  )
}

function isOneLine(text: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return text !== '' && !/[\0-\x1f\x7f]/.test(text)
}

/** Two at a time: the machine is shared. */
async function inTurns<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await act(item)
  }
  await Promise.all([worker(), worker()])
}
