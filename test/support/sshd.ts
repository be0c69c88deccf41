import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { RemoteNode, SshTarget } from '../../src/core/node.ts'
import { startDependent, freePort } from './dependent-process.ts'
import { nginxAlone } from './nginx-alone.ts'

const run = promisify(execFile)

export type HostKeyKind = 'ed25519' | 'ecdsa' | 'rsa'

export interface SshdOptions {
  readonly hostKeys?: readonly HostKeyKind[]
  /** Lines of sshd_config; the first of a keyword wins. */
  readonly config?: readonly string[]
  /** Before the key in authorized_keys, as `command="…"`. */
  readonly keyOptions?: string
}

/** A real sshd on loopback with keys of its own, that anybody with `identity` is let into as any user. */
export interface Sshd extends AsyncDisposable {
  readonly port: number
  readonly pid: number
  readonly folder: string
  /** Path of the private key that is let in. */
  readonly identity: string
  /** Path of a known_hosts file that knows this sshd by all its keys. */
  readonly knownHosts: string
  /** Public host keys as in known_hosts: `ssh-ed25519 AAAA…`. */
  readonly hostKeys: Readonly<Record<string, string>>
  log(): string
  target(changes?: Partial<SshTarget>): SshTarget
  node(changes?: Partial<RemoteNode>, ssh?: Partial<SshTarget>): RemoteNode
}

/** Why a real sshd can't run here; false when it can. */
export const noSshd = process.getuid?.() === 0 ? false : 'sshd needs root'

export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const folder = await mkdtemp(join(tmpdir(), 'certs-sshd-'))
  const at = (name: string) => join(folder, name)
  const kinds = options.hostKeys ?? ['ed25519']
  await Promise.all([
    makeKey(at('identity'), 'ed25519'),
    ...kinds.map((kind) => makeKey(at(`host_${kind}`), kind)),
  ])
  const publicKey = await readFile(at('identity.pub'), 'utf8')
  await writeFile(at('authorized_keys'), `${options.keyOptions ?? ''} ${publicKey}`.trimStart())
  const hostKeys = Object.fromEntries(
    await Promise.all(kinds.map((kind) => readHostKey(at(`host_${kind}.pub`)))),
  )
  // A privilege separation folder, that distributions make when the service starts.
  await mkdir('/run/sshd', { recursive: true, mode: 0o755 })
  await chmod(folder, 0o755)

  for (let tries = 0; ; tries++) {
    const port = await freePort('127.0.0.1')
    await writeFile(at('sshd_config'), configuration(at, port, { ...options, kinds }))
    const daemon = startDependent(['/usr/sbin/sshd', '-D', '-e', '-f', at('sshd_config')], {})
    if (await daemon.until(() => answers(port))) {
      const place = Object.values(hostKeys).map((key) => `[127.0.0.1]:${port} ${key}\n`)
      await writeFile(at('known_hosts'), place.join(''))
      const target = (changes: Partial<SshTarget> = {}): SshTarget => ({
        address: '127.0.0.1',
        port,
        user: 'root',
        identity: at('identity'),
        knownHosts: at('known_hosts'),
        ...changes,
      })
      return {
        port,
        pid: daemon.pid,
        folder,
        identity: at('identity'),
        knownHosts: at('known_hosts'),
        hostKeys,
        log: () => daemon.said(),
        target,
        node: (changes = {}, ssh = {}) => makeNode({ ssh: target(ssh), ...changes }),
        async [Symbol.asyncDispose]() {
          await daemon.stop()
          await rm(folder, { recursive: true, force: true })
        },
      }
    }
    await daemon.stop()
    if (tries === 3) throw new Error(`sshd did not start: ${daemon.said()}`)
  }
}

export function makeNode(changes: Partial<RemoteNode> & Pick<RemoteNode, 'ssh'>): RemoteNode {
  return {
    name: 'sally',
    groups: [],
    sudo: false,
    jump: [],
    root: '/etc/letsencrypt',
    services: nginxAlone(),
    ...changes,
  }
}

export async function makeKey(path: string, kind: HostKeyKind, passphrase = ''): Promise<void> {
  const size = kind === 'rsa' ? ['-b', '2048'] : []
  await run('ssh-keygen', ['-q', '-t', kind, ...size, '-N', passphrase, '-C', 'test', '-f', path])
}

type Configuration = SshdOptions & { readonly kinds: readonly HostKeyKind[] }

function configuration(
  at: (name: string) => string,
  port: number,
  { kinds, config = [] }: Configuration,
): string {
  const lines = [
    ...config,
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    ...kinds.map((kind) => `HostKey ${at(`host_${kind}`)}`),
    `AuthorizedKeysFile ${at('authorized_keys')}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'LogLevel VERBOSE',
  ]
  return `${lines.join('\n')}\n`
}

async function readHostKey(path: string): Promise<[string, string]> {
  const [type = '', key = ''] = (await readFile(path, 'utf8')).split(' ')
  return [type, `${type} ${key}`]
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('data', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}
