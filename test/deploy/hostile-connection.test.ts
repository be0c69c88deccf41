import type { Socket } from 'node:net'
import type { Connection, ServerChannel } from 'ssh2'
import { describe, expect, test } from 'vitest'
import { probe } from '../../deploy/probe.ts'
import { createConnect } from '../../deploy/ssh.ts'
import { handshake } from '../../deploy/verify.ts'
import type { NodeError } from '../../src/core/errors.ts'
import { type FakeSshdOptions, startFakeSshd } from '../support/fake-sshd.ts'
import { issueVersion } from '../support/issue-version.ts'
import { startPlain } from '../support/plain-server.ts'
import { startTlsServer } from '../support/tls-server.ts'

const { signal } = new AbortController()
const timeouts = { connect: 1_000, login: 800, keepalive: 2_000, silence: 100 }
const name = 'www.example.com'

/** Time and memory that `act` takes; nothing of what a node sends is kept. */
async function bounded<T>(act: () => Promise<T>, mostMs: number): Promise<T> {
  const [began, before] = [performance.now(), process.memoryUsage().rss]
  const result = await act()
  expect(performance.now() - began).toBeLessThan(mostMs)
  expect(process.memoryUsage().rss - before).toBeLessThan(150e6)
  return result
}

const errorOf = (act: Promise<unknown>): Promise<NodeError> =>
  act.then(
    () => Promise.reject(new Error('it succeeded')),
    (error: unknown) => error as NodeError,
  )

interface Sink {
  write(piece: string | Buffer): boolean
  on(event: 'close' | 'drain', listener: () => void): unknown
  readonly destroyed?: boolean
}

/** Sends a piece again and again, as fast as it is taken or one each so many milliseconds. */
function without(end: Sink, piece: string | Buffer, everyMs = 0): void {
  if (everyMs > 0) {
    const timer = setInterval(() => end.write(piece), everyMs)
    end.on('close', () => clearInterval(timer))
    return
  }
  const more = (): void => {
    while (!end.destroyed && end.write(piece));
  }
  end.on('drain', more)
  more()
}

describe('before it lets anybody in, a node that', () => {
  const doors: Readonly<Record<string, (socket: Socket) => void>> = {
    'greets without end': (socket) => without(socket, 'welcome to this machine\r\n'.repeat(1_000)),
    'greets in one line without end': (socket) => without(socket, 'x'.repeat(65_536)),
    'greets one byte at a time': (socket) => without(socket, 'x', 20),
    'sends zeros without end': (socket) => without(socket, Buffer.alloc(65_536)),
    'says that the next packet is of 4 GB': (socket) => {
      socket.write('SSH-2.0-OpenSSH_9.2\r\n')
      without(socket, Buffer.alloc(65_536, 0xff))
    },
    'exchanges keys one byte at a time': (socket) => {
      socket.write('SSH-2.0-OpenSSH_9.2\r\n')
      without(socket, Buffer.from([0]), 20)
    },
  }
  test.each(Object.entries(doors))('%s is given up', async (_, door) => {
    await using fake = await startFakeSshd()
    await using hostile = await startPlain(door)
    const node = fake.node()
    const target = { ...node, ssh: { ...node.ssh, port: hostile.port } }
    const error = await bounded(
      () => errorOf(createConnect({ timeouts, random: () => 0 })(target, signal)),
      4_000,
    )
    expect(error).toMatchObject({ left: 'unchanged', node: 'sally', step: 'connect' })
    // oxlint-disable-next-line no-control-regex
    expect(error.message).toMatch(/^sally: [^\x00-\x1f\x7f-\x9f]{10,300}$/)
  })

  test('says again and again that one more key is needed is refused', async () => {
    await using fake = await startFakeSshd({ authenticate: () => false })
    const error = await bounded(() => errorOf(createConnect({ timeouts })(fake.node(), signal)), 2_000)
    expect(error.message).toMatch(/ was refused/)
    expect(fake.logins.length).toBeLessThan(3)
  })
})

describe('when it is logged in to, a node that', () => {
  type Exec = NonNullable<FakeSshdOptions['exec']>

  async function failure(exec: Exec, input = 'echo ran\n'): Promise<NodeError> {
    await using fake = await startFakeSshd({ exec })
    await using shell = await createConnect({ timeouts })(fake.node(), signal)
    return await bounded(() => errorOf(shell.run(input)), 5_000)
  }

  const begin = (channel: ServerChannel, then: () => void) =>
    void channel.once('data', (input: Buffer) => {
      channel.write(`\n${/[0-9a-f]{32}/.exec(input.toString())![0]}\n`)
      then()
    })

  const talks: Readonly<Record<string, readonly [Exec, RegExp]>> = {
    'talks one byte at a time without end': [
      (channel) => begin(channel, () => without(channel, 'x', 20)),
      /gave no result: it was not done after 1 s$/,
    ],
    'says a line now and then without end': [
      (channel) => begin(channel, () => without(channel, 'deadbeef step locked\n', 20)),
      /gave no result: it was not done after 1 s$/,
    ],
    'says a million lines': [
      (channel) => begin(channel, () => without(channel, 'line\n'.repeat(10_000))),
      /it said more than 256 KB$/,
    ],
    'complains a gigabyte': [
      (channel) => begin(channel, () => without(channel.stderr, 'x'.repeat(65_536))),
      /it said more than 256 KB$/,
    ],
    'complains one byte at a time': [
      (channel) => begin(channel, () => without(channel.stderr, 'x', 20)),
      /gave no result: it was not done after 1 s$/,
    ],
    'never says that its shell is there': [(channel) => without(channel, 'login: ', 20), /gave no result/],
    'ends with a number that no program ends with': [
      (channel) => {
        channel.exit(4_294_967_295)
        channel.end()
      },
      /no shell for deploy at /,
    ],
  }
  test.each(Object.entries(talks))('%s is given up, and named', async (_, [exec, says]) => {
    const error = await failure(exec)
    expect(error.message).toMatch(says)
    // oxlint-disable-next-line no-control-regex
    expect(error.message).not.toMatch(/[\x00-\x1f\x7f-\x9f]/)
  })

  test('never takes its input is given up', async () => {
    const error = await failure((channel) => void channel.pause(), `#${'x'.repeat(6_000_000)}\n`)
    expect(error).toMatchObject({
      left: 'unknown',
      message: expect.stringMatching(/nothing was heard for 0\.1 s$/),
    })
  })

  test('opens a thousand channels to us, and asks for new keys all the time, gets none and answers', async () => {
    let refused = 0
    const flood = (connection: Connection) => {
      for (let count = 0; count < 500; count++) {
        connection.forwardOut('127.0.0.1', 1, '127.0.0.1', 22, (error) => (refused += error ? 1 : 0))
        connection.x11('127.0.0.1', 6000, (error) => (refused += error ? 1 : 0))
      }
      connection.rekey()
    }
    const exec: Exec = (channel, _command, connection) =>
      begin(channel, () => {
        flood(connection)
        setTimeout(() => {
          channel.write('done\n')
          channel.exit(0)
          channel.end()
        }, 100)
      })
    await using fake = await startFakeSshd({ exec })
    await using shell = await createConnect({ timeouts: { ...timeouts, silence: 2_000 } })(
      fake.node(),
      signal,
    )
    const said = await bounded(() => shell.run('echo ran\n'), 3_000)
    expect(said).toEqual({ stdout: 'done\n', stderr: '', exitCode: 0 })
    expect(refused).toBe(1_000)
  })
})

describe('an endpoint that', () => {
  const record = (type: number, body: Buffer) =>
    Buffer.concat([Buffer.from([type, 3, 3, body.length >> 8, body.length & 255]), body])
  const endpoints: Readonly<Record<string, (socket: Socket) => void>> = {
    'is silent': (socket) => void socket.resume(),
    'sends anything without end': (socket) => without(socket, Buffer.alloc(65_536, 0x5a)),
    'greets with 16 MB': (socket) => {
      socket.write(record(22, Buffer.from([2, 0xff, 0xff, 0xff])))
      without(socket, record(22, Buffer.alloc(16_000)))
    },
    'sends empty records without end': (socket) =>
      without(socket, Buffer.concat(Array.from({ length: 1_000 }, () => record(22, Buffer.alloc(0))))),
    'warns without end': (socket) =>
      without(socket, Buffer.concat(Array.from({ length: 1_000 }, () => record(21, Buffer.from([1, 90]))))),
    'shakes hands one byte at a time': (socket) => without(socket, Buffer.from([22]), 20),
    'hangs up': (socket) => void socket.once('data', () => socket.resetAndDestroy()),
  }
  test.each(Object.entries(endpoints))(
    '%s is given up in time, and told of in a few words',
    async (_, serve) => {
      await using hostile = await startPlain(serve)
      const endpoint = { address: '127.0.0.1', port: hostile.port, via: 'direct' } as const
      const served = await bounded(() => handshake(endpoint, name, { timeoutMs: 500 }), 1_500)
      expect(served.leaf).toBeUndefined()
      // oxlint-disable-next-line no-control-regex
      expect(served.error).toMatch(/^[^\x00-\x1f\x7f-\x9f]{5,200}$/)
    },
  )

  test('shows a chain of two hundred certificates is looked at, or refused, in time', async () => {
    const { key, leaf, chain } = await issueVersion(name, 1)
    const cert = leaf + chain.repeat(200)
    await using server = await startTlsServer({ key: key.reveal(), cert })
    const served = await bounded(() => handshake(server.endpoint, name, { timeoutMs: 3_000 }), 4_000)
    expect(served.leaf ?? served.error).toBeDefined()
  })

  const answers: Readonly<Record<string, (socket: Socket) => void>> = {
    'headers without end': (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      without(socket, `x-one: ${'y'.repeat(1_000)}\r\n`)
    },
    'a body without end': (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n')
      without(socket, 'x'.repeat(65_536))
    },
    'a body one byte at a time': (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n')
      without(socket, 'x', 20)
    },
    'what commands a terminal': (socket) =>
      void socket.end(
        'HTTP/1.1 302 \u001b[31mFound\r\nlocation: \u001b]0;x\u0007\r\ncontent-type: \u009b2J\r\ncontent-length: 0\r\n\r\n',
      ),
  }
  test.each(Object.entries(answers))('answers a probe by %s is given up in time', async (_, serve) => {
    const { key, leaf, chain } = await issueVersion(name, 1)
    await using server = await startTlsServer({ key: key.reveal(), cert: leaf + chain })
    server.onSecure((socket) => void socket.once('data', () => serve(socket)))
    const wanted = { url: `https://${name}/health.png`, status: 200, contentType: 'image/' }
    const result = await bounded(() => probe(wanted, server.endpoint, { timeoutMs: 700 }), 2_000)
    // oxlint-disable-next-line no-control-regex
    expect(result.said).toMatch(/^[^\x00-\x1f\x7f-\x9f]{5,300}$/)
  })
})
