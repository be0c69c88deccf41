import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { command, type Ran } from './command.ts'
import { populated, type Enclosure } from './enclosure.ts'
import { configuration } from './host-configuration.ts'

export interface Host {
  readonly name: string
  /** IPv4 and IPv6, reachable from this machine alone. */
  readonly address: string
  readonly address6: string
  /** The host's `/` as this process can open it, also while the host is down. Mounts made in it don't show. */
  readonly rootfs: string
  /** Runs shell text as root inside the host, not through sshd. Returns stdout; throws when it fails. */
  exec(script: string): Promise<string>
  /** The same, for a script that may fail. */
  tryExec(script: string): Promise<Ran>
  writeFile(path: string, text: string, mode?: number): Promise<void>
  /** Stops every process in it, and lets them run again. Its kernel still answers SYN and ping. */
  freeze(): Promise<void>
  thaw(): Promise<void>
  /** The plug pulled: every process is gone at once, files stay. */
  kill(): Promise<void>
  /** Boots, and resolves when every unit has started or failed. */
  boot(): Promise<void>
  reboot(): Promise<void>
}

export interface HostOptions {
  readonly name: string
  readonly address: string
  readonly address6: string
  /** The authorized_keys of root and deploy. */
  readonly login: string
}

/** Makes the files of a host; `boot` starts it. */
export async function createHost(
  enclosure: Enclosure,
  { name, address, address6, login }: HostOptions,
): Promise<Host> {
  const place = `/run/certs-lab-${enclosure.id}/${name}`
  const root = `${place}/root`
  const rootfs = enclosure.path(root)
  const cgroup = `/sys/fs/cgroup/certs-lab-${enclosure.id}/${name}`
  const control = (file: string): string => enclosure.path(`${cgroup}/${file}`)
  await mkdir(rootfs, { recursive: true })
  const script = await readFile(fileURLToPath(new URL('tree.sh', import.meta.url)), 'utf8')
  await enclosure.run(['sh', '-s', name], { input: script, cwd: root })

  const host: Host = {
    name,
    address,
    address6,
    rootfs,
    async exec(text) {
      const ran = await host.tryExec(text)
      if (ran.exitCode !== 0) throw new Error(`${name}: ${text} (exit ${ran.exitCode}): ${ran.stderr.trim()}`)
      return ran.stdout
    },
    async tryExec(text) {
      const leader = await leaderOf(control('payload'))
      return command(['nsenter', ...enter, `--target=${leader}`, ...shell], { input: text })
    },
    async writeFile(path, text, mode = 0o644) {
      await writeFile(join(rootfs, path), text, { mode })
    },
    freeze: async () => writeFile(control('cgroup.freeze'), '1'),
    thaw: async () => writeFile(control('cgroup.freeze'), '0'),
    async kill() {
      await writeFile(control('cgroup.kill'), '1')
      while (await populated(control('.'))) await sleep(5)
      await enclosure.run([
        'find',
        cgroup,
        '-mindepth',
        '1',
        '-depth',
        '-type',
        'd',
        '-exec',
        'rmdir',
        '{}',
        ';',
      ])
    },
    async boot() {
      const flags = ['--quiet', '--boot', '--register=no', '--keep-unit', '--console=pipe']
      const line = [
        'systemd-nspawn',
        ...flags,
        `--directory=${root}`,
        `--machine=${name}`,
        '--network-bridge=lab',
      ]
      await enclosure.start(line, { cgroup, log: `${place}/console` })
      await waitForSsh(address).catch(async () => {
        const said = await readFile(enclosure.path(`${place}/console`), 'utf8')
        throw new Error(`${name} did not boot within 30 s:\n${said.slice(-2000)}`)
      })
      await host.tryExec('systemctl is-system-running --wait')
    },
    async reboot() {
      await host.kill()
      await host.boot()
    },
  }

  await makeKey(join(rootfs, 'etc/ssh/ssh_host_ed25519_key'), name)
  for (const [path, text] of Object.entries(configuration({ name, address, address6 }))) {
    await host.writeFile(path, text)
  }
  await host.writeFile('root/.ssh/authorized_keys', login, 0o600)
  await host.writeFile('home/deploy/.ssh/authorized_keys', login)
  return host
}

// nsenter would itself stop when a host that shuts down stops all its processes, and wait for ever: so it
// does not fork, and a shell outside of the host waits for the one inside.
const enter = ['--no-fork', '--all', '--wdns=/']
const shell = ['/bin/sh', '-c', '/bin/sh -s; exit $?']

/** The process that is number 1 of a host, as this machine counts. */
async function leaderOf(payload: string): Promise<string> {
  const groups = ['init.scope/cgroup.procs', 'cgroup.procs'].map((file) => join(payload, file))
  for (const group of groups) {
    for (const pid of (await readFile(group, 'utf8').catch(() => '')).split('\n').filter(Boolean)) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
      if (/^NSpid:.*\s1$/m.test(status)) return pid
    }
  }
  throw new Error('the host is down')
}

export async function makeKey(path: string, comment: string): Promise<void> {
  const line = ['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', path]
  const { exitCode, stderr } = await command(line)
  if (exitCode !== 0) throw new Error(`ssh-keygen: ${stderr.trim()}`)
}

/** sshd says its banner first, so a connection that yields a byte is a host that is up. */
async function waitForSsh(address: string): Promise<void> {
  const deadline = performance.now() + 30_000
  while (performance.now() < deadline) {
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: address, port: 22, timeout: 300 })
      const end = (answer: boolean) => (): void => {
        socket.destroy()
        resolve(answer)
      }
      socket
        .once('data', end(true))
        .once('error', end(false))
        .once('timeout', end(false))
        .once('close', end(false))
    })
    if (up) return
    await sleep(20)
  }
  throw new Error(`${address}: no sshd`)
}
