import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs'
import { symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileKinds, filesOf, type Version } from '../../src/core/certificate.ts'
import type { Node } from '../../src/core/node.ts'
import { nginxAlone } from './nginx-alone.ts'
import { localShell, type LocalShell } from './local-shell.ts'

/** What `/bin/sh` is on Debian, on Red Hat and on Alpine. */
export const shells = [['dash'], ['bash', '--posix'], ['busybox', 'sh']] as const

export interface FakeNodeOptions {
  /** The shell that reads the program; dash unless told. */
  readonly sh?: readonly string[]
  /** Programs that the node has not, by absolute path. */
  readonly without?: readonly string[]
  /** More shell text for the namespace, run as root before the program's shell starts. */
  readonly setup?: string
  /** Processes of other runs are seen, as on a real node; they do not end with this one then. */
  readonly seeProcesses?: boolean
  /** Words before the shell, as strace and its arguments. */
  readonly around?: readonly string[]
}

export interface FakeNode extends Disposable {
  readonly node: Node
  readonly folder: string
  readonly root: string
  shell(options?: FakeNodeOptions): LocalShell
  /** What to write before a command line to run it on the node. */
  enter(options?: FakeNodeOptions): readonly string[]
  /** What `nginx` (test) and `systemctl reload` (reload) do, as shell text; both succeed unless told. */
  will(verb: 'test' | 'reload' | 'status', script: string): void
  /** The commands nginx and systemctl were called with since the last look. */
  calls(): string[]
  /** certbot's layout of these versions, live on the last one. */
  lay(...versions: readonly Version[]): void
  path(...parts: string[]): string
}

/**
 * A node on this machine: a temporary root, and `nginx` and `systemctl` as small scripts. The program trusts
 * no PATH, so the scripts are put in place by bind mounts in a mount namespace, which like its process
 * namespace ends with the run.
 */
export function fakeNode(overrides: Partial<Node> = {}): FakeNode {
  removeStale()
  const folder = mkdtempSync(join(tmpdir(), `certs-node-${process.pid}-`))
  const root = join(folder, 'etc/letsencrypt')
  const path = (...parts: string[]) => join(root, ...parts)
  for (const name of ['live', 'archive', 'renewal']) mkdirSync(path(name), { recursive: true, mode: 0o700 })
  writeFileSync(join(folder, 'calls'), '')
  const script = (name: string, text: string) =>
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  const said = "printf 'nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\\n' >&2"
  script('nginx', `echo "nginx $*" >>${folder}/calls\n. ${folder}/test`)
  script(
    'systemctl',
    `case $1 in is-active) . ${folder}/status ;; *) echo "systemctl $*" >>${folder}/calls; . ${folder}/reload ;; esac`,
  )
  const will = (verb: string, text: string) => writeFileSync(join(folder, verb), `${text}\n`)
  will('test', said)
  will('reload', ':')
  will('status', 'shift; for unit; do case $unit in nginx) echo active ;; *) echo inactive ;; esac; done')

  const enter = (options: FakeNodeOptions = {}) => {
    const { without = [], setup = '', around = [], seeProcesses = false } = options
    const lines = [
      'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system',
      `mount --bind ${folder}/nginx /usr/sbin/nginx`,
      `mount --bind ${folder}/systemctl /usr/bin/systemctl`,
      ...without.map((program) => `mount --bind /dev/null ${program}`),
      setup,
      // strace, unlike the program, looks at PATH.
      around.length > 0 ? 'PATH=/usr/bin:/bin exec "$@"' : 'exec "$@"',
    ]
    const namespace = seeProcesses
      ? ['--mount']
      : ['--mount', '--pid', '--fork', '--kill-child=KILL', '--mount-proc']
    return ['unshare', ...namespace, 'sh', '-c', lines.join('\n'), 'sh', ...around]
  }
  const shell = (options: FakeNodeOptions = {}) =>
    localShell([...enter(options), ...(options.sh ?? ['dash']), '-s'])
  const lay = (...versions: readonly Version[]) => {
    for (const version of versions) {
      const { certificate, number } = version
      for (const directory of ['archive', 'live'])
        mkdirSync(path(directory, certificate), { recursive: true })
      const files = filesOf(version)
      for (const kind of fileKinds) {
        const file = `archive/${certificate}/${kind}${number}.pem`
        writeFileSync(path(file), files[kind], { mode: kind === 'privkey' ? 0o600 : 0o644 })
        rmSync(path('live', certificate, `${kind}.pem`), { force: true })
        symlinkSync(`../../${file}`, path('live', certificate, `${kind}.pem`))
      }
      writeFileSync(
        path('live', certificate, 'README'),
        'This directory contains your keys and certificates.\n',
      )
      writeFileSync(path('renewal', `${certificate}.conf`), '# renew_before_expiry = 30 days\n')
    }
  }
  const calls = () => {
    const lines = readFileSync(join(folder, 'calls'), 'utf8').split('\n').slice(0, -1)
    writeFileSync(join(folder, 'calls'), '')
    return lines
  }
  return {
    folder,
    root,
    path,
    shell,
    enter,
    will,
    calls,
    lay,
    node: {
      name: 'sally',
      groups: ['cdn'],
      ssh: { address: '127.0.0.1', port: 22, user: 'root', identity: 'agent', knownHosts: '/dev/null' },
      sudo: false,
      jump: [],
      root,
      services: nginxAlone(),
      ...overrides,
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Folders of test processes that were killed. */
function removeStale(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = /^certs-node-([0-9]+)-/.exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`))
      rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

/** Every path below a folder with what it is: two equal snapshots mean that nothing was touched. */
export function snapshot(folder: string, options: { readonly times?: boolean } = {}): Record<string, string> {
  const entries: Record<string, string> = {}
  const look = (relative: string): void => {
    const path = join(folder, relative)
    const stat = lstatSync(path)
    const mode = `${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid}`
    const when = options.times === false ? '' : ` ${stat.ino} ${stat.mtimeMs}`
    if (stat.isSymbolicLink()) entries[relative] = `-> ${readlinkSync(path)}${when}`
    else if (stat.isDirectory()) {
      entries[relative] = `${mode}/${when}`
      for (const name of readdirSync(path)) look(join(relative, name))
    } else {
      const sum = stat.isFile()
        ? createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 12)
        : '?'
      entries[relative] = `${mode} ${sum}${when}`
    }
  }
  look('.')
  return entries
}
