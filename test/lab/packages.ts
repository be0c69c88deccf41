import { access, rm, writeFile } from 'node:fs/promises'
import { command } from './command.ts'

/** What the hosts of the lab, its name server and its CA are made of: program and Debian packages. */
export const labPrograms: Programs = {
  'systemd-nspawn': 'systemd-container',
  unshare: 'util-linux',
  ip: 'iproute2',
  ps: 'procps',
  nginx: 'nginx',
  sshd: 'openssh-server',
  ssh: 'openssh-client',
  sudo: 'sudo',
  openssl: 'openssl',
  named: 'bind9',
  dig: 'bind9-dnsutils',
  nsupdate: 'bind9-dnsutils',
}

/** What the tests need besides. */
export const testPrograms: Programs = {
  ...labPrograms,
  busybox: 'busybox',
  dash: 'dash',
  fish: 'fish',
  tcsh: 'tcsh',
  shellcheck: 'shellcheck',
  nft: 'nftables',
  faketime: 'faketime',
  strace: 'strace',
  python3: 'python3',
  pdns_server: 'pdns-server pdns-backend-sqlite3',
  curl: 'curl',
  age: 'age',
  haproxy: 'haproxy',
  apache2: 'apache2',
  dovecot: 'dovecot-imapd',
}

export type Programs = Readonly<Record<string, string>>

/** Why packages can't be installed here, or undefined. */
export async function installingMissing(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'root on a Debian system'
  return (await absentPrograms({ 'apt-get': 'apt' })).length === 0
    ? undefined
    : 'a Debian system (it has no apt-get)'
}

/** The packages whose programs are not there, sorted. */
export async function absentPackages(programs: Programs): Promise<string[]> {
  const absent = await absentPrograms(programs)
  return [...new Set(absent.flatMap((program) => (programs[program] ?? program).split(' ')))].toSorted()
}

/**
 * Installs packages without a question. Their services are neither started nor left enabled: the lab runs the
 * programs in hosts of its own. Throws with what apt said.
 */
export async function installPackages(packages: readonly string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
  const options = ['-qq', '-o', 'DPkg::Lock::Timeout=120']
  const updated = await command(['apt-get', ...options, 'update'], { env })
  const install = ['apt-get', ...options, 'install', '--yes', '--no-install-recommends', ...packages]
  const installed = await withServicesStopped(() => command(install, { env }))
  if (installed.exitCode !== 0) {
    const said = `${updated.stderr}${installed.stderr}`.trim()
    throw new Error(`installing ${packages.join(', ')} failed (apt-get exit ${installed.exitCode}):\n${said}`)
  }
  const units = packages.flatMap((name) => services[name] ?? [])
  if (units.length > 0) await command(['systemctl', '--quiet', 'disable', ...units], { env })
}

const services: Readonly<Record<string, string>> = {
  nginx: 'nginx.service',
  'openssh-server': 'ssh.service',
  bind9: 'named.service',
  'pdns-server': 'pdns.service',
  haproxy: 'haproxy.service',
  apache2: 'apache2.service',
  'dovecot-imapd': 'dovecot.service',
}

async function absentPrograms(programs: Programs): Promise<string[]> {
  const search =
    'PATH=$PATH:/usr/sbin:/sbin; for name; do command -v "$name" >/dev/null || echo "$name"; done'
  const { stdout } = await command(['sh', '-c', search, 'sh', ...Object.keys(programs)])
  return stdout.split('\n').filter(Boolean)
}

const policy = '/usr/sbin/policy-rc.d'

/** invoke-rc.d asks this program, and 101 is no. Left behind by a killed run, it says yes and removes itself. */
const noStart = `#!/bin/sh
[ ! -d /proc/${process.pid} ] || exit 101
rm -f "$0"
`

async function withServicesStopped<T>(install: () => Promise<T>): Promise<T> {
  const theirs = await access(policy).then(
    () => true,
    () => false,
  )
  if (theirs) return install()
  await writeFile(policy, noStart, { mode: 0o755 })
  try {
    return await install()
  } finally {
    await rm(policy, { force: true })
  }
}
