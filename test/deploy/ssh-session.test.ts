import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServerChannel } from 'ssh2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createConnect, type SshOptions } from '../../deploy/ssh.ts'
import type { Shell } from '../../deploy/shell.ts'
import type { NodeError } from '../../src/core/errors.ts'
import type { Node } from '../../src/core/node.ts'
import { type FakeSshdOptions, runAs, startFakeSshd } from '../support/fake-sshd.ts'
import { startSlowLink } from '../support/slow-link.ts'
import { noSshd, type Sshd, startSshd } from '../support/sshd.ts'
import { rewriteKnownHosts } from '../support/known-hosts-file.ts'

const { signal } = new AbortController()
const nobody = 65534

/** What a run against a scripted sshd fails with. */
async function failure(
  exec: NonNullable<FakeSshdOptions['exec']>,
  { sudo = false, ...options }: SshOptions & { sudo?: boolean } = {},
) {
  await using fake = await startFakeSshd({ exec })
  await using shell = await createConnect(options)(fake.node({ sudo }), signal)
  return await failureOf(shell.run('echo ran\n'))
}

async function failureOf(run: ReturnType<Shell['run']>): Promise<NodeError> {
  return run.then(
    (said) => Promise.reject(new Error(`it succeeded: ${JSON.stringify(said)}`)),
    (error: unknown) => error as NodeError,
  )
}

describe('a shell', () => {
  test.each(['/bin/sh', '/bin/bash', '/usr/bin/fish', '/usr/bin/tcsh'])(
    'runs under the login shell %s',
    async (program) => {
      await using fake = await startFakeSshd({ exec: runAs([program, '-c']) })
      await using shell = await createConnect()(fake.node(), signal)
      expect(await shell.run('printf \'%s\' "$0"; exit 4\n')).toMatchObject({
        stdout: expect.stringMatching(/sh$/),
        exitCode: 4,
      })
      expect(fake.commands).toEqual(['/bin/sh -s'])
    },
  )

  test.each(['welcome\n', 'no newline', 'stty: not a tty\r\n', `${'x'.repeat(70_000)}\n`])(
    'loses the noise of a login',
    async (noise) => {
      await using fake = await startFakeSshd({ exec: runAs(['/bin/sh', '-c'], { noise }) })
      await using shell = await createConnect()(fake.node(), signal)
      const lines: string[] = []
      const said = await shell.run('echo one\necho two\nprintf three', { onLine: (line) => lines.push(line) })
      expect([said.stdout, lines]).toEqual(['one\ntwo\nthree', ['one', 'two']])
    },
  )

  test('that ends in the same piece of data in which it began is heard', async () => {
    const exec = (channel: ServerChannel) => {
      channel.stderr.write('too quick\n')
      channel.exit(7)
      channel.end()
    }
    await using fake = await startFakeSshd({ exec })
    await using link = await startSlowLink(fake.port, { rttMs: 0, gatherMs: 30 })
    const { ssh } = fake.node()
    const knownHosts = await rewriteKnownHosts(fake, link.port)
    await using shell = await createConnect()(
      fake.node({ ssh: { ...ssh, port: link.port, knownHosts } }),
      signal,
    )
    expect(await failureOf(shell.run('echo ran\n'))).toMatchObject({
      exitCode: 7,
      message: expect.stringMatching(/no shell for deploy at .* \(exit 7\): too quick$/),
    })
  })

  test('keeps characters whole that come in pieces', async () => {
    const pieces = (channel: ServerChannel) => {
      channel.once('data', (input: Buffer) => {
        channel.write(`\n${/[0-9a-f]{32}/.exec(input.toString())![0]}\n`)
        for (const byte of Buffer.from('für 証\n')) channel.write(Buffer.from([byte]))
        channel.exit(0)
        channel.end()
      })
    }
    await using fake = await startFakeSshd({ exec: pieces })
    await using shell = await createConnect()(fake.node(), signal)
    expect((await shell.run('')).stdout).toBe('für 証\n')
  })

  test('takes large input', async () => {
    await using fake = await startFakeSshd()
    await using shell = await createConnect()(fake.node(), signal)
    const input = `wc -c <<'END'\n${'0123456789abcde\n'.repeat(200_000)}END\n`
    expect((await shell.run(input)).stdout.trim()).toBe('3200000')
  })

  test('does not wait for a daemon that keeps the output open', async () => {
    const held = (channel: ServerChannel) => {
      channel.once('data', (input: Buffer) => {
        channel.write(`\n${/[0-9a-f]{32}/.exec(input.toString())![0]}\ndone\n`)
        channel.exit(0)
      })
    }
    await using fake = await startFakeSshd({ exec: held })
    await using shell = await createConnect()(fake.node(), signal)
    expect(await shell.run('')).toEqual({ stdout: 'done\n', stderr: '', exitCode: 0 })
  })
})

describe('a session prepared ahead', () => {
  test('is used once, by the input that begins with it', async () => {
    await using fake = await startFakeSshd()
    await using shell = await createConnect()(fake.node(), signal)
    await shell.run('true\n')
    shell.prepare('x=prepared\n')
    expect((await shell.run('echo "[$x]"\n')).stdout).toBe('[]\n')
    expect((await shell.run('x=prepared\necho "[$x]"\n')).stdout).toBe('[prepared]\n')
    expect((await shell.run('x=prepared\necho "[$x]"\n')).stdout).toBe('[prepared]\n')
    expect(fake.commands).toHaveLength(4)
  })

  test('that died is replaced', async () => {
    let sessions = 0
    const exec: NonNullable<FakeSshdOptions['exec']> = (channel, command, connection) => {
      sessions += 1
      if (sessions === 2) {
        channel.exit(1)
        channel.end()
      } else runAs(['/bin/sh', '-c'])(channel, command, connection)
    }
    await using fake = await startFakeSshd({ exec })
    await using shell = await createConnect()(fake.node(), signal)
    await shell.run('true\n')
    shell.prepare('x=1\n')
    await expect.poll(() => sessions).toBe(2)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect((await shell.run('x=1\necho $x\n')).stdout).toBe('1\n')
  })
})

describe('a shell that gives no result is a failure of unknown outcome', () => {
  const afterInput = (then: (channel: ServerChannel) => void) => (channel: ServerChannel) => {
    channel.once('data', (input: Buffer) => {
      channel.write(`\n${/[0-9a-f]{32}/.exec(input.toString())![0]}\n`)
      setTimeout(() => then(channel), 20)
    })
  }

  test('when it is silent', async () => {
    const error = await failure(() => undefined, { timeouts: { silence: 200 } })
    expect(error).toMatchObject({
      left: 'unknown',
      message: expect.stringMatching(/nothing was heard for 0.2 s$/),
    })
  })

  test('and is asked to end', async () => {
    let closed = false
    const exec = (channel: ServerChannel) => void channel.on('close', () => (closed = true)).resume()
    await using fake = await startFakeSshd({ exec })
    await using shell = await createConnect({ timeouts: { silence: 100 } })(fake.node(), signal)
    await failureOf(shell.run('echo ran\n'))
    await expect.poll(() => closed).toBe(true)
  })

  test('when the channel closes without an exit code', async () => {
    const error = await failure(afterInput((channel) => channel.close()))
    expect(error).toMatchObject({ left: 'unknown', message: expect.stringMatching(/gave no result/) })
  })

  test('when the connection is lost', async () => {
    const error = await failure((_channel, _command, connection) => setTimeout(() => connection.end(), 50))
    expect(error).toMatchObject({
      left: 'unknown',
      message: expect.stringMatching(/the connection died: the node closed it$/),
    })
  })

  test('when it is killed', async () => {
    await using fake = await startFakeSshd({ exec: runAs(['/bin/bash', '-c']) })
    await using shell = await createConnect()(fake.node(), signal)
    expect(await failureOf(shell.run('kill -9 $$\n'))).toMatchObject({
      left: 'unknown',
      message: expect.stringMatching(/it was killed by SIGKILL$/),
    })
  })

  test('when it floods; and memory stays small', async () => {
    let sent = 0
    const flood = (channel: ServerChannel) => {
      const piece = Buffer.alloc(65536, 'x')
      const more = () => {
        while (sent < 1e9 && channel.writable && channel.write(piece)) sent += piece.length
      }
      channel.on('drain', more)
      more()
    }
    const before = process.memoryUsage().rss
    const error = await failure(flood)
    expect(error).toMatchObject({
      left: 'unknown',
      message: expect.stringMatching(/it said more than 256 KB$/),
    })
    expect(sent).toBeLessThan(50e6)
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6)
  })

  test('when it is interrupted', async () => {
    await using fake = await startFakeSshd()
    await using shell = await createConnect()(fake.node(), signal)
    const run = shell.run('sleep 60\n', { signal: AbortSignal.timeout(100) })
    expect(await failureOf(run)).toMatchObject({
      left: 'unknown',
      message: expect.stringMatching(/interrupted$/),
    })
    expect(await shell.run('echo still here\n')).toMatchObject({ stdout: 'still here\n' })
  })

  test('but a session that is never opened has changed nothing', async () => {
    await using fake = await startFakeSshd({ answerChannels: false })
    await using shell = await createConnect({ timeouts: { silence: 200 } })(fake.node(), signal)
    shell.prepare('x=1\n')
    expect(await failureOf(shell.run('x=1\n'))).toMatchObject({
      left: 'unchanged',
      message: expect.stringMatching(/start a shell on .* failed: no answer$/),
    })
  })

  test('but an interruption before anything was sent has changed nothing', async () => {
    await using fake = await startFakeSshd()
    await using shell = await createConnect()(fake.node(), signal)
    expect(await failureOf(shell.run('echo ran\n', { signal: AbortSignal.abort() }))).toMatchObject({
      left: 'unchanged',
      message: expect.stringMatching(/interrupted$/),
    })
  })

  test('but a connection that was gone before has changed nothing', async () => {
    await using fake = await startFakeSshd({
      exec: (channel, command, connection) => {
        runAs(['/bin/sh', '-c'])(channel, command, connection)
        channel.on('close', () => connection.end())
      },
    })
    await using shell = await createConnect()(fake.node(), signal)
    await shell.run('true\n')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await failureOf(shell.run('echo late\n'))).toMatchObject({
      left: 'unchanged',
      message: expect.stringMatching(/start a shell on .* failed: the connection is gone/),
    })
  })

  test('and output that commands a terminal is stripped in the error', async () => {
    const error = await failure(
      runAs(['/bin/sh', '-c', "printf '\\033]0;x\\007\\033[31mno shell here\\n'; exit 1"]),
    )
    expect(error.message).toMatch(/no shell for deploy at .* \(exit 1\): no shell here$/)
  })
})

describe('what stands before the shell', () => {
  test.each([
    ['/usr/sbin/nologin', /no shell for deploy at .* \(exit 1\): This account is currently not available\.$/],
    ['/bin/false', /no shell for deploy at .* \(exit 1\): it ended without a word$/],
    ['/bin/true', /no shell for deploy at .* \(exit 0\): it ended without a word$/],
  ])('a login shell %s is named', async (program, message) => {
    const error = await failure(runAs([program]))
    expect(error).toMatchObject({
      step: 'authenticate',
      left: 'unchanged',
      message: expect.stringMatching(message),
    })
    expect(error.hints.join()).toMatch(/getent passwd deploy/)
  })

  test.skipIf(noSshd)('sudo that wants a password is named, with the line that allows it', async () => {
    const error = await failure(runAs(['/bin/sh', '-c'], { uid: nobody }), { sudo: true })
    expect(error).toMatchObject({ step: 'sudo', left: 'unchanged', exitCode: 1 })
    expect(error.message).toMatch(/^sally: sudo -n \/bin\/sh -s as deploy failed \(exit 1\): sudo: /)
    expect(error.hints).toContain('deploy ALL=(root) NOPASSWD: /bin/sh -s')
  })

  test('sudo that is not there is named', async () => {
    const error = await failure(runAs(['/bin/sh', '-c', 'PATH=/nonexistent; eval "$0"']), { sudo: true })
    expect(error).toMatchObject({ step: 'sudo', exitCode: 127 })
  })

  test.skipIf(noSshd)('sudo that works is used, and its lecture is noise', async () => {
    await using fake = await startFakeSshd({
      exec: runAs(['/bin/sh', '-c'], { noise: 'We trust you have received the usual lecture\n' }),
    })
    await using shell = await createConnect()(fake.node({ sudo: true }), signal)
    expect((await shell.run('id -u\n')).stdout).toBe('0\n')
    expect(fake.commands).toEqual(['sudo -n /bin/sh -s'])
  })
})

describe.skipIf(noSshd)('with a real sshd', () => {
  let sshd: Sshd
  beforeAll(async () => {
    sshd = await startSshd({ config: ['RekeyLimit 64K', 'MaxSessions 1'] })
  })
  afterAll(() => sshd[Symbol.asyncDispose]())

  test('a rekey during an upload changes nothing', async () => {
    const before = sshd.log().length
    await using shell = await createConnect()(sshd.node(), signal)
    const input = `wc -c <<'END'\n${'0123456789abcde\n'.repeat(60_000)}END\n`
    expect((await shell.run(input)).stdout.trim()).toBe('960000')
    expect(sshd.log().slice(before)).toMatch(/Accepted publickey/)
  })

  test('one channel at a time is enough', async () => {
    await using shell = await createConnect()(sshd.node(), signal)
    shell.prepare('f() { echo f; }\n')
    expect((await shell.run('f() { echo f; }\nf\n')).stdout).toBe('f\n')
    shell.prepare('f() { echo f; }\n')
    expect((await shell.run('f() { echo f; }\nf\n')).stdout).toBe('f\n')
  })

  test('a forced command is named', async () => {
    await using forced = await startSshd({ keyOptions: 'command="echo backup only"' })
    await using shell = await createConnect()(forced.node(), signal)
    const error = await failureOf(shell.run('echo ran\n'))
    expect(error.message).toMatch(/no shell for root at .* \(exit 0\): backup only$/)
    expect(error.left).toBe('unchanged')
  })

  test('its sudden end in the middle is a failure of unknown outcome', async () => {
    await using shell = await createConnect()(sshd.node(), signal)
    const run = failureOf(
      shell.run('echo started; sleep 30\n', { onLine: () => process.kill(sessionOf(sshd), 'SIGKILL') }),
    )
    expect(await run).toMatchObject({
      left: 'unknown',
      message: expect.stringMatching(/the connection died/),
    })
  })

  test.each([
    ['by keepalive', { keepalive: 100, silence: 60_000 }],
    ['by silence', { keepalive: 60_000, silence: 400 }],
  ])('that freezes in the middle is noticed %s', async (_, timeouts) => {
    await using shell = await createConnect({ timeouts })(sshd.node(), signal)
    let session = 0
    const started = performance.now()
    const freeze = () => process.kill((session = sessionOf(sshd)), 'SIGSTOP')
    try {
      const error = await failureOf(shell.run('echo started; sleep 30\n', { onLine: freeze }))
      expect(error).toMatchObject({ left: 'unknown' })
      expect(performance.now() - started).toBeLessThan(3_000)
    } finally {
      process.kill(session, 'SIGCONT')
    }
  })

  test('a cut at any byte is a failure, and the next run succeeds', async () => {
    const input = `cat >/dev/null <<'END'\n${'x'.repeat(3000)}\nEND\necho whole\n`
    for (let cutAfterBytes = 100; cutAfterBytes < 5_500; cutAfterBytes += 700) {
      await using link = await startSlowLink(sshd.port, { rttMs: 0, cutAfterBytes })
      const knownHosts = await rewriteKnownHosts(sshd, link.port)
      const outcome = await tryToRun(sshd.node({}, { port: link.port, knownHosts }), input)
      expect(['connect', 'authenticate', 'whole\n']).toContain(outcome)
    }
    expect(await tryToRun(sshd.node(), input)).toBe('whole\n')
  })

  test('leaves no file descriptor, listener or child behind', async () => {
    const connect = createConnect()
    const once = async () => {
      await using shell = await connect(sshd.node(), signal)
      shell.prepare('x=1\n')
      await shell.run('x=1\n')
    }
    await once()
    const descriptors = () => readdirSync('/proc/self/fd').length
    const before = descriptors()
    for (let round = 0; round < 6; round++) await once()
    await expect.poll(descriptors).toBeLessThanOrEqual(before)
    await expect.poll(() => childrenOf(sshd.pid)).toEqual([])
  })
})

async function tryToRun(node: Node, input: string): Promise<string> {
  try {
    await using shell = await createConnect({ random: () => 0, timeouts: { login: 2_000, silence: 2_000 } })(
      node,
      signal,
    )
    return (await shell.run(input)).stdout
  } catch (error) {
    return (error as NodeError).step
  }
}

/** The process that serves the one connection there is. */
function sessionOf(sshd: Sshd): number {
  const [session] = childrenOf(sshd.pid)
  if (session === undefined) throw new Error('no session')
  return session
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(join('/proc', String(pid), 'task', String(pid), 'children'), 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}
