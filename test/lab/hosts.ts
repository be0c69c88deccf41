import { randomInt } from 'node:crypto'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { command } from './command.ts'
import { openEnclosure, type Enclosure } from './enclosure.ts'
import { createHost, makeKey, type Host } from './host.ts'
import { absentPackages, labPrograms } from './packages.ts'

export type { Host } from './host.ts'

export interface LabOptions {
  readonly nodes: readonly string[]
  /** Called for each host when its files are there and before it boots. */
  readonly prepare?: (host: Host, lab: LabBeforeBoot) => Promise<void>
}

export interface LabBeforeBoot {
  /** The lab's folder on this machine. */
  readonly folder: string
  /** The IPv4 address that a host of this lab has or will have. */
  readonly addressOf: (name: string) => string
}

/** Debian hosts of a lab: systemd, networkd, journald, sshd, sudo, nginx, each with its own addresses. */
export interface Lab extends AsyncDisposable {
  readonly hosts: Readonly<Record<string, Host>>
  /** A temporary folder that goes with the lab. */
  readonly folder: string
  /** Path of a private key that may log in as `root` and as `deploy` (with sudo for `/bin/sh -s`). */
  readonly identity: string
  /** Path of a known_hosts file with the keys of all hosts. */
  readonly knownHosts: string
  host(name: string): Host
}

/** Why no host can be booted here, or undefined. */
export async function hostsMissing(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'hosts of the lab need root on Linux'
  const absent = await absentPackages(labPrograms)
  return absent.length === 0 ? undefined : `hosts of the lab need: apt-get install ${absent.join(' ')}`
}

export async function startHosts(options: LabOptions): Promise<Lab> {
  const missing = await hostsMissing()
  if (missing) throw new Error(missing)
  const enclosure = await openEnclosure()
  try {
    const subnet = await connectBridge(enclosure)
    const identity = join(enclosure.folder, 'id_ed25519')
    const knownHosts = join(enclosure.folder, 'known_hosts')
    await makeKey(identity, 'certs-lab')
    const login = await readFile(`${identity}.pub`, 'utf8')
    const before: LabBeforeBoot = {
      folder: enclosure.folder,
      addressOf: (name) => addressesOf(subnet, options.nodes.indexOf(name)).address,
    }
    const hosts = await Promise.all(
      options.nodes.map(async (name, index) => {
        const host = await createHost(enclosure, { name, login, ...addressesOf(subnet, index) })
        await options.prepare?.(host, before)
        await host.boot()
        return host
      }),
    )
    for (const host of hosts) {
      const key = await readFile(join(host.rootfs, 'etc/ssh/ssh_host_ed25519_key.pub'), 'utf8')
      await appendFile(knownHosts, `${host.address},${host.address6},${host.name} ${key}`)
    }
    const byName = Object.fromEntries(hosts.map((host) => [host.name, host]))
    return {
      hosts: byName,
      folder: enclosure.folder,
      identity,
      knownHosts,
      host(name) {
        const host = byName[name]
        if (!host) throw new Error(`the lab has no host ${name}`)
        return host
      },
      [Symbol.asyncDispose]: async () => enclosure[Symbol.asyncDispose](),
    }
  } catch (error) {
    await enclosure[Symbol.asyncDispose]()
    throw error
  }
}

function addressesOf(subnet: number, index: number): { address: string; address6: string } {
  const number = index + 10
  return { address: `10.77.${subnet}.${number}`, address6: `fd77:0:0:${subnet.toString(16)}::${number}` }
}

/** Connects this machine to the lab's bridge; returns n of 10.77.n.0/24 and fd77:0:0:n::/64. */
async function connectBridge(enclosure: Enclosure): Promise<number> {
  let refusal = ''
  for (let attempt = 0; attempt < 50; attempt++) {
    const subnet = randomInt(1, 255)
    const device = `certs-lab-${subnet}`
    const taken = await command(['ip', 'route', 'show', `10.77.${subnet}.0/24`])
    if (taken.stdout !== '') continue
    // Both ends vanish with the lab's network namespace.
    const ends = ['type', 'veth', 'peer', 'name', 'uplink', 'netns', `${enclosure.pid}`]
    const added = await command(['ip', 'link', 'add', device, ...ends])
    refusal = added.stderr.trim()
    if (added.exitCode !== 0) continue
    await enclosure.run(['ip', 'link', 'set', 'uplink', 'master', 'lab', 'up'])
    await writeFile(`/proc/sys/net/ipv6/conf/${device}/disable_ipv6`, '0')
    for (const line of [
      ['addr', 'add', `10.77.${subnet}.1/24`, 'dev', device],
      ['addr', 'add', `fd77:0:0:${subnet.toString(16)}::1/64`, 'dev', device, 'nodad'],
      ['link', 'set', device, 'up'],
    ]) {
      const { exitCode, stderr } = await command(['ip', ...line])
      if (exitCode !== 0) throw new Error(`ip ${line.join(' ')}: ${stderr.trim()}`)
    }
    return subnet
  }
  throw new Error(`no free network in 10.77.0.0/16: ${refusal}`)
}
