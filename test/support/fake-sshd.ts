import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import type { Connection, ServerChannel } from 'ssh2'
import type { RemoteNode } from '../../src/core/node.ts'
import { makeKey, makeNode } from './sshd.ts'

export interface FakeSshdOptions {
  /** What happens when a command is to be run; by default a real shell runs it. */
  readonly exec?: (channel: ServerChannel, command: string, connection: Connection) => void
  /** Whether a login is let in; by default each is. */
  readonly authenticate?: (method: string) => boolean
  /** False: sessions and forwardings are never answered. */
  readonly answerChannels?: boolean
}

/** An sshd in this process, to hang, lie or flood at a chosen step. */
export interface FakeSshd extends AsyncDisposable {
  readonly port: number
  readonly knownHosts: string
  /** Methods of the logins tried. */
  readonly logins: string[]
  readonly commands: string[]
  node(changes?: Partial<RemoteNode>): RemoteNode
}

export async function startFakeSshd(options: FakeSshdOptions = {}): Promise<FakeSshd> {
  const { exec = runAs(['/bin/sh', '-c']), authenticate = () => true, answerChannels = true } = options
  const folder = await mkdtemp(join(tmpdir(), 'certs-fake-sshd-'))
  const at = (name: string) => join(folder, name)
  // Not by ssh2, whose generator makes a key that it can't read once in 150.
  await Promise.all([makeKey(at('host'), 'ed25519'), makeKey(at('identity'), 'ed25519')])
  const [logins, commands]: [string[], string[]] = [[], []]
  const connections = new Set<Connection>()
  const server = new ssh2.Server({ hostKeys: [await readFile(at('host'))] }, (connection) => {
    connections.add(connection)
    // It has one, but the types don't know.
    Reflect.apply(Reflect.get(connection, 'setNoDelay') as () => void, connection, [true])
    connection
      .on('error', () => undefined)
      .on('close', () => connections.delete(connection))
      .on('authentication', (context) => {
        logins.push(context.method)
        if (authenticate(context.method)) context.accept()
        else context.reject(['publickey'])
      })
      .on('session', (accept) => {
        if (!answerChannels) return
        accept().on('exec', (acceptExec, _reject, { command }) => {
          commands.push(command)
          const channel = acceptExec()
          channel.on('error', () => undefined)
          exec(channel, command, connection)
        })
      })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const [type, key] = (await readFile(at('host.pub'), 'utf8')).split(' ')
  await writeFile(at('known_hosts'), `[127.0.0.1]:${port} ${type} ${key}\n`)
  return {
    port,
    knownHosts: at('known_hosts'),
    logins,
    commands,
    node: (changes = {}) =>
      makeNode({
        ssh: {
          address: '127.0.0.1',
          port,
          user: 'deploy',
          identity: at('identity'),
          knownHosts: at('known_hosts'),
        },
        ...changes,
      }),
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.end()
      server.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export interface RunAs {
  readonly uid?: number
  /** Comes before what the command says, as from an `echo` in .bashrc. */
  readonly noise?: string
}

/** Runs each command by this login shell, as sshd does: `SHELL -c COMMAND`. */
export function runAs(
  shell: readonly string[],
  { uid, noise }: RunAs = {},
): NonNullable<FakeSshdOptions['exec']> {
  const [program = '/bin/sh', ...args] = shell
  return (channel, command, connection) => {
    if (noise) channel.write(noise)
    const child = spawn(program, [...args, command], {
      ...(uid === undefined ? {} : { uid, gid: uid }),
      env: { PATH: '/usr/bin:/bin', HOME: '/proc/nowhere' },
    })
    channel.pipe(child.stdin.on('error', () => undefined))
    child.stdout.on('data', (piece) => channel.write(piece))
    child.stderr.on('data', (piece) => channel.stderr.write(piece))
    connection.on('close', () => child.kill('SIGKILL'))
    child.on('close', (code, signal) => {
      if (code === null) channel.exit(String(signal).replace('SIG', ''), false, '')
      else channel.exit(code)
      channel.end()
    })
  }
}
