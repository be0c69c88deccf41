import { execFile, spawn } from 'node:child_process'
import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createConnect, type SshOptions } from '../../deploy/ssh.ts'
import { createVerifier } from '../../deploy/ssh/host-key.ts'
import { parseKnownHosts } from '../../deploy/known-hosts.ts'
import { CertsError, type NodeError } from '../../src/core/errors.ts'
import type { Node } from '../../src/core/node.ts'
import { freePort } from '../support/dependent-process.ts'
import { startFakeSshd } from '../support/fake-sshd.ts'
import { startPlain } from '../support/plain-server.ts'
import { makeKey, noSshd, type Sshd, startSshd } from '../support/sshd.ts'

const run = promisify(execFile)
const { signal } = new AbortController()

async function failure(node: Node, options: SshOptions = {}): Promise<NodeError> {
  try {
    await using _ = await createConnect(options)(node, signal)
  } catch (error) {
    if (error instanceof CertsError) return error as NodeError
    throw error
  }
  throw new Error('the login was let in')
}

const authTried = /userauth|publickey|Accepted|Failed|Postponed/

describe.skipIf(noSshd)('a login', () => {
  let sshd: Sshd
  let other: Sshd
  beforeAll(async () => {
    ;[sshd, other] = await Promise.all([startSshd({ hostKeys: ['ed25519', 'ecdsa'] }), startSshd()])
  })
  afterAll(async () => {
    await sshd[Symbol.asyncDispose]()
    await other[Symbol.asyncDispose]()
  })

  async function knowing(name: string, text: string): Promise<string> {
    const path = join(sshd.folder, name)
    await writeFile(path, text)
    return path
  }

  test('is not tried at a node whose key is unknown; the error names the key and what to do', async () => {
    const before = sshd.log().length
    const error = await failure(sshd.node({}, { knownHosts: '/nonexistent/known_hosts' }))
    const { stdout } = await run('ssh-keygen', ['-lf', join(sshd.folder, 'host_ed25519.pub')])
    const fingerprint = stdout.split(' ')[1]
    expect(error.message).toBe(
      `sally: host key of [127.0.0.1]:${sshd.port} is unknown: ssh-ed25519 ${fingerprint}`,
    )
    expect(error.hints).toContain('certs nodes trust sally')
    expect([error.step, error.left]).toEqual(['connect', 'unchanged'])
    expect(sshd.log().slice(before)).not.toMatch(authTried)
  })

  test('is not tried at a node whose key has changed; the error names both keys and the line', async () => {
    const before = sshd.log().length
    const knownHosts = await knowing(
      'changed',
      `# x\n[127.0.0.1]:${sshd.port} ${other.hostKeys['ssh-ed25519']}\n`,
    )
    const error = await failure(sshd.node({}, { knownHosts }))
    const ours = (await run('ssh-keygen', ['-lf', join(sshd.folder, 'host_ed25519.pub')])).stdout.split(
      ' ',
    )[1]
    const theirs = (await run('ssh-keygen', ['-lf', join(other.folder, 'host_ed25519.pub')])).stdout.split(
      ' ',
    )[1]
    expect(error.message).toBe(
      `sally: host key of [127.0.0.1]:${sshd.port} has changed: it shows ssh-ed25519 ${ours}, but ${knownHosts} line 2 has ${theirs}`,
    )
    expect(sshd.log().slice(before)).not.toMatch(authTried)
  })

  test('is not tried at a node whose key is revoked', async () => {
    const before = sshd.log().length
    const known = await readFile(sshd.knownHosts, 'utf8')
    const knownHosts = await knowing('revoked', `${known}@revoked * ${sshd.hostKeys['ssh-ed25519']}\n`)
    expect((await failure(sshd.node({}, { knownHosts }))).message).toMatch(/is revoked by .*revoked line 3/)
    expect(sshd.log().slice(before)).not.toMatch(authTried)
  })

  test('is let in by the one key type that is known, of the two the node has', async () => {
    const knownHosts = await knowing(
      'one',
      `[127.0.0.1]:${sshd.port} ${sshd.hostKeys['ecdsa-sha2-nistp256']}\n`,
    )
    await using shell = await createConnect()(sshd.node({}, { knownHosts }), signal)
    expect((await shell.run('echo in\n')).stdout).toBe('in\n')
  })

  test('says when the node has no key of a known type', async () => {
    const knownHosts = await knowing(
      'rsa',
      `[127.0.0.1]:${other.port} ${sshd.hostKeys['ecdsa-sha2-nistp256']}\n`,
    )
    expect((await failure(other.node({}, { knownHosts }))).message).toMatch(
      /none of the types asked for \(ecdsa-sha2-nistp256\)/,
    )
  })

  test('works with RSA keys by SHA-2, and refuses SHA-1', async () => {
    await using rsa = await startSshd({
      hostKeys: ['rsa'],
      config: ['PubkeyAcceptedAlgorithms rsa-sha2-512,ssh-ed25519'],
    })
    await makeKey(join(rsa.folder, 'rsa'), 'rsa')
    await copyFile(join(rsa.folder, 'rsa.pub'), join(rsa.folder, 'authorized_keys'))
    await using shell = await createConnect()(rsa.node({}, { identity: join(rsa.folder, 'rsa') }), signal)
    expect((await shell.run('echo in\n')).stdout).toBe('in\n')

    await using sha1 = await startSshd({ hostKeys: ['rsa'], config: ['HostKeyAlgorithms ssh-rsa'] })
    const error = await failure(sha1.node())
    expect(error.message).toMatch(/none of the types asked for \(rsa-sha2-512, rsa-sha2-256\)/)
    expect(error.hints.join()).toMatch(/SHA-1 is never accepted/)
  })

  test('refuses a node that offers only what Terrapin cuts', async () => {
    await using chacha = await startSshd({ config: ['Ciphers chacha20-poly1305@openssh.com'] })
    expect((await failure(chacha.node())).message).toMatch(/offers no .*cipher that is safe/i)
  })

  test('offers one key only, and says which was refused', async () => {
    await makeKey(join(sshd.folder, 'stranger'), 'ed25519')
    const before = sshd.log().length
    const error = await failure(sshd.node({}, { identity: join(sshd.folder, 'stranger') }))
    expect(error.message).toBe(
      `sally: login as root at [127.0.0.1]:${sshd.port} with ${join(sshd.folder, 'stranger')} was refused`,
    )
    expect(error.hints[0]).toMatch(/^ssh-copy-id -i /)
    expect(error.step).toBe('authenticate')
    expect(
      sshd
        .log()
        .slice(before)
        .match(/Failed publickey/g),
    ).toHaveLength(1)
  })

  test.each([
    ['missing', async (path: string) => path, /read identity .* failed: no such file/],
    [
      'open to others',
      async (path: string) => {
        await copyFile(sshd.identity, path)
        await chmod(path, 0o644)
        return path
      },
      /its mode 644 lets other users read it/,
    ],
    [
      'protected by a passphrase',
      async (path: string) => {
        await makeKey(path, 'ed25519', 'secret')
        return path
      },
      /is protected by a passphrase/,
    ],
    ['a public key', async () => `${sshd.identity}.pub`, /mode 644|is a public key/],
    [
      'no key',
      async (path: string) => {
        await writeFile(path, 'hello', { mode: 0o600 })
        return path
      },
      /is unusable/,
    ],
  ])('says so when the identity is %s', async (name, make, message) => {
    const identity = await make(join(sshd.folder, `identity ${name}`))
    const error = await failure(sshd.node({}, { identity }))
    expect(error.message).toMatch(message)
    expect(error.step).toBe('authenticate')
  })

  test('goes by the agent when that is configured', async () => {
    const socket = join(sshd.folder, 'agent')
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
    try {
      await expect
        .poll(() => run('ssh-add', ['-q', sshd.identity], { env: { SSH_AUTH_SOCK: socket } }))
        .toBeTruthy()
      await using shell = await createConnect({ agentSocket: socket })(
        sshd.node({}, { identity: 'agent' }),
        signal,
      )
      expect((await shell.run('echo in\n')).stdout).toBe('in\n')
    } finally {
      agent.kill()
    }
    expect((await failure(sshd.node({}, { identity: 'agent' }))).message).toMatch(/SSH_AUTH_SOCK is not set/)
    const gone = await failure(sshd.node({}, { identity: 'agent' }), { agentSocket: '/nonexistent/agent' })
    expect(gone.message).toMatch(/the ssh agent does not work/)
  })

  test('gets through a node that drops connections because too many begin at once', async () => {
    await using busy = await startSshd({ config: ['MaxStartups 2:100:2'] })
    const connect = createConnect()
    const shells = await Promise.all(Array.from({ length: 8 }, () => connect(busy.node(), signal)))
    await Promise.all(shells.map((shell) => shell[Symbol.asyncDispose]()))
    expect(busy.log()).toMatch(/drop connection|beginning MaxStartups/)
  })
})

describe('a connection', () => {
  const quick = { timeouts: { connect: 300, login: 300 }, random: () => 0 }

  test('that is refused is an error with the place and the command to look', async () => {
    await using fake = await startFakeSshd()
    const port = await freePort('127.0.0.1')
    const node = fake.node()
    const error = await failure({ ...node, ssh: { ...node.ssh, port } })
    expect(error.message).toBe(`sally: connect to [127.0.0.1]:${port} failed: connection refused`)
    expect(error.hints).toEqual([
      `it is up, and nothing listens on port ${port}: is that the port, and does sshd run (systemctl status ssh)? ssh -v -p ${port} deploy@127.0.0.1`,
    ])
  })

  test('to a name that does not resolve says so', async () => {
    await using fake = await startFakeSshd()
    const node = fake.node()
    const error = await failure({ ...node, ssh: { ...node.ssh, address: 'sally.invalid' } })
    expect(error.message).toMatch(
      /sally\.invalid.* failed: (its name does not resolve|the resolver does not answer)/,
    )
    expect(error.hints[0]).toContain('getent hosts sally.invalid')
  })

  test.each([
    ['before its greeting', undefined],
    ['after its greeting', 'SSH-2.0-OpenSSH_9.9\r\n'],
  ])('to a node that hangs %s is given up', async (_, greeting) => {
    await using fake = await startFakeSshd()
    await using frozen = await startPlain((socket) => greeting && socket.write(greeting))
    const node = fake.node()
    const started = performance.now()
    const error = await failure({ ...node, ssh: { ...node.ssh, port: frozen.port } }, quick)
    expect(error.message).toMatch(/ssh handshake at .* failed: no answer/)
    expect(error.hints[0]).toMatch(
      /^it takes connections but does not answer, .*: ssh -v -p \d+ \S+@\S+ true$/,
    )
    expect(performance.now() - started).toBeLessThan(1_500)
  })

  test('that is dropped again and again is given up after four tries', async () => {
    await using fake = await startFakeSshd()
    let tries = 0
    await using closing = await startPlain((socket) => {
      tries += 1
      socket.end('Exceeded MaxStartups\r\n')
    })
    const node = fake.node()
    const error = await failure({ ...node, ssh: { ...node.ssh, port: closing.port } }, quick)
    expect(error.message).toMatch(/drops connections before they begin/)
    expect(tries).toBe(4)
  })

  test.each(['closed', 'reset'] as const)(
    'that is %s while we still read our own files is one that was dropped, and harms nothing else',
    async (how) => {
      await using fake = await startFakeSshd()
      let ended = 0
      await using closing = await startPlain((socket) => {
        ended += 1
        if (how === 'reset') setTimeout(() => socket.resetAndDestroy(), 5)
        else socket.destroy()
      })
      const pipe = join(dirname(fake.knownHosts), 'pipe')
      await run('mkfifo', [pipe])
      const node = fake.node()
      const failing = failure({ ...node, ssh: { ...node.ssh, port: closing.port, knownHosts: pipe } }, quick)
      await expect.poll(() => ended).toBe(1)
      await sleep(50)
      await writeFile(pipe, '')
      expect((await failing).message).toMatch(/drops connections before they begin \(4 tries\)/)
      expect(ended).toBe(4)
    },
  )

  test('to what is no sshd says so', async () => {
    await using fake = await startFakeSshd()
    await using web = await startPlain((socket) => socket.write('SSH-1.0-old\r\n'))
    const node = fake.node()
    const error = await failure({ ...node, ssh: { ...node.ssh, port: web.port } }, quick)
    expect(error.message).toMatch(/ssh handshake at .* failed: /)
  })

  test('that is interrupted ends at once', async () => {
    await using fake = await startFakeSshd()
    await using frozen = await startPlain(() => undefined)
    const node = fake.node()
    const started = performance.now()
    const attempt = createConnect()(
      { ...node, ssh: { ...node.ssh, port: frozen.port } },
      AbortSignal.timeout(100),
    )
    await expect(attempt).rejects.toThrow(/interrupted/)
    expect(performance.now() - started).toBeLessThan(1_000)
  })

  test('never tries to log in without a key, nor by any other method', async () => {
    await using fake = await startFakeSshd({ authenticate: () => false })
    await failure(fake.node())
    expect(new Set(fake.logins)).toEqual(new Set(['publickey']))
  })
})

describe('the verifier', () => {
  const hop = {
    node: 'sally',
    target: { address: 'sally', port: 22, user: 'root', identity: 'agent', knownHosts: '/k' },
  }
  const ed = Buffer.from('0000000b7373682d6564323535313900000002aaaa', 'hex')
  const entries = parseKnownHosts(`sally ssh-ed25519 ${ed.toString('base64')}`)

  test('says exactly true for the known key, and exactly false for all else', () => {
    const { accepts } = createVerifier(hop, entries)
    expect(accepts(ed)).toBe(true)
    const shapes: unknown[] = [
      Buffer.alloc(0),
      ed.subarray(1),
      Buffer.concat([ed, ed]),
      '',
      null,
      undefined,
      0,
      {},
    ]
    for (const shape of shapes) expect(accepts(shape as Buffer)).toBe(false)
    expect(createVerifier(hop, []).accepts(ed)).toBe(false)
  })

  test('refuses when judging throws', () => {
    const { accepts, refusal } = createVerifier(hop, undefined as unknown as [])
    expect(accepts(ed)).toBe(false)
    expect(refusal()?.message).toMatch(/^sally: host key of sally refused/)
  })

  test('refuses a key that changes at a rekey', () => {
    const { accepts, refusal } = createVerifier(hop, entries)
    expect([accepts(ed), accepts(ed), refusal()]).toEqual([true, true, undefined])
    const other = Buffer.from(ed)
    other[other.length - 1] = 0
    expect(accepts(other)).toBe(false)
    expect(refusal()?.message).toMatch(/has changed/)
  })
})
