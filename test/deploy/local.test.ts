import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createConnect } from '../../deploy/ssh.ts'
import type { Node } from '../../src/core/node.ts'
import { nodeFailure } from '../support/node-failure.ts'
import { makeNode } from '../support/sshd.ts'
import { startPlain } from '../support/plain-server.ts'

const never = new AbortController().signal
const ssh = { address: '127.0.0.1', port: 22, user: 'root', identity: 'agent', knownHosts: '/k' }
const here: Node = { ...makeNode({ ssh }), name: 'here', ssh: undefined }
const connect = (node: Node, silence = 15_000) => createConnect({ timeouts: { silence } })(node, never)

describe('the shell of this machine', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'certs-local-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  test('runs its input, prepared or not, and tells lines as they come', async () => {
    await using shell = await connect(here)
    shell.prepare('echo one\n')
    const lines: string[] = []
    const input = 'echo one\necho two\necho oops >&2\nexit 3\n'
    const said = await shell.run(input, { onLine: (line) => lines.push(line) })
    expect(said).toEqual({ stdout: 'one\ntwo\n', stderr: 'oops\n', exitCode: 3 })
    expect(lines).toEqual(['one', 'two'])
  })

  test('hands on nothing of our environment', async () => {
    await using shell = await connect(here)
    process.env['CERTS_TEST_SECRET'] = 'seen'
    try {
      expect((await shell.run('env\n')).stdout).not.toContain('CERTS_TEST_SECRET')
    } finally {
      delete process.env['CERTS_TEST_SECRET']
    }
  })

  test('is given up when it is silent or says too much; what was begun is not known then', async () => {
    await using shell = await connect(here, 100)
    expect(await nodeFailure(shell.run('exec sleep 2\n'))).toMatchObject({
      message: 'here: the shell on this machine gave no result: nothing was heard for 0.1 s',
      left: 'unknown',
    })
    expect(await nodeFailure(shell.run('yes | head -c 1000000\n', { silenceMs: 5_000 }))).toMatchObject({
      message: 'here: the shell on this machine gave no result: it said more than 256 KB',
    })
  })

  test('by sudo that wants a password says what to allow', async () => {
    await writeFile(join(folder, 'sudo'), '#!/bin/sh\necho "sudo: a password is required" >&2\nexit 1\n', {
      mode: 0o755,
    })
    // In a mount namespace of its own, where sudo is that script.
    const script = join(folder, 'run.ts')
    await writeFile(
      script,
      `import { openLocal } from ${JSON.stringify(join(import.meta.dirname, '../../deploy/local.ts'))}
      const node = JSON.parse(${JSON.stringify(JSON.stringify({ ...here, sudo: true }))})
      await openLocal(node, { connect: 1000, silence: 1000 }).run('true\\n').catch((error) => {
        console.log(error.message, error.step, error.hints.join(' '))
      })`,
    )
    const child = spawn(
      'unshare',
      ['--mount', 'sh', '-c', `mount --bind ${folder}/sudo /usr/bin/sudo && ${process.execPath} ${script}`],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    let said = ''
    child.stdout.on('data', (piece: Buffer) => (said += piece.toString()))
    await once(child, 'close')
    expect(said).toMatch(
      /^here: sudo -n \/bin\/sh -s as root failed \(exit 1\): sudo: a password is required sudo /,
    )
    expect(said).toContain('ALL=(root) NOPASSWD: /bin/sh -s')
  })

  test('goes on when certs is killed: what is begun on a node is brought to its end', async () => {
    const script = join(folder, 'run.ts')
    const done = join(folder, 'done')
    await writeFile(
      script,
      `import { openLocal } from ${JSON.stringify(join(import.meta.dirname, '../../deploy/local.ts'))}
      const node = JSON.parse(${JSON.stringify(JSON.stringify(here))})
      const onLine = () => process.kill(-process.pid, 'SIGKILL')
      const input = "trap '' HUP INT PIPE TERM\\necho begun\\nsleep 0.3\\necho more\\necho done >${done}\\n"
      await openLocal(node, { connect: 1000, silence: 9000 }).run(input, { onLine })`,
    )
    const child = spawn(process.execPath, [script], { detached: true, stdio: 'ignore' })
    expect(await once(child, 'close')).toEqual([null, 'SIGKILL'])
    await expect.poll(() => readFile(done, 'utf8').catch(() => '')).toBe('done\n')
  })

  test('reaches endpoints that only this machine reaches', async () => {
    await using shell = await connect(here)
    await using server = await startPlain((socket) => socket.end('hello'))
    const stream = await shell.forward('127.0.0.1', server.port)
    const [piece] = (await once(stream, 'data')) as [Buffer]
    expect(piece.toString()).toBe('hello')
    stream.destroy()
    expect(await nodeFailure(shell.forward('127.0.0.1', 1))).toMatchObject({
      message: 'here: connect to 127.0.0.1 port 1 failed: connection refused',
    })
  })
})
