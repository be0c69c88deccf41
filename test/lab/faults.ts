import { readFile, writeFile } from 'node:fs/promises'
import type { Config } from '../../src/index.ts'
import { site } from './cdn-node.ts'
import type { Host } from './hosts.ts'
import type { Incident } from './incident.ts'

/** Something wrong with a node, the controller or the world, before `certs` comes. */
export interface Fault {
  readonly what: string
  /** Shell text, run as root on the node; `mend` takes it back. */
  readonly onNode?: string
  readonly mend?: string
  /** Another known_hosts file, made from the right one. */
  readonly knownHosts?: (lines: KnownHosts) => string
  /** Another configuration. */
  readonly config?: (config: Config) => Config
  /** What must be said: which thing, why, and what to do about it. */
  readonly says: readonly (string | RegExp)[]
  readonly exitCode: number
}

/** Lines of a known_hosts file: of the faulty node, and of another one. */
export interface KnownHosts {
  readonly node: string
  readonly other: string
}

/** Brings a fault about; disposing of what it returns mends it. */
export async function bringAbout(fault: Fault, incident: Incident, host: Host): Promise<Faulty> {
  const { knownHosts } = incident.lab
  const right = await readFile(knownHosts, 'utf8')
  if (fault.onNode) await host.exec(`set -e\n${fault.onNode}`)
  if (fault.knownHosts) await writeFile(knownHosts, fault.knownHosts(linesFor(right, host)))
  const configFile = fault.config
    ? await incident.writeConfig('faulty.config.ts', fault.config(structuredClone(incident.config)))
    : incident.configFile
  return {
    configFile,
    async [Symbol.asyncDispose]() {
      await writeFile(knownHosts, right)
      if (fault.mend) await host.exec(fault.mend)
    },
  }
}

export interface Faulty extends AsyncDisposable {
  readonly configFile: string
}

function linesFor(text: string, host: Host): KnownHosts {
  const lines = text.trim().split('\n')
  const isOfNode = (line: string): boolean => line.startsWith(`${host.address},`)
  return { node: lines.find(isOfNode) ?? '', other: lines.find((line) => !isOfNode(line)) ?? '' }
}

const live = `/etc/letsencrypt/live/${site}`
const archive = `/etc/letsencrypt/archive/${site}`

const asDeploy = (config: Config): Config => ({
  ...config,
  ssh: { ...config.ssh, user: 'deploy', sudo: true },
})

const withTsigSecret =
  (secret: unknown) =>
  (config: Config): Config => {
    const home = config.dns?.['home'] as { readonly provider: string; readonly tsig: object }
    return { ...config, dns: { home: { ...home, tsig: { ...home.tsig, secret } } } }
  }

export const nodeFaults: readonly Fault[] = [
  {
    what: 'the host key is not the known one',
    knownHosts: ({ node, other }) => `${node.split(' ')[0]} ${other.split(' ').slice(1).join(' ')}\n`,
    says: ['sally: host key of ', ' has changed: it shows ssh-ed25519 SHA256:', 'certs nodes trust sally'],
    exitCode: 1,
  },
  {
    what: 'the host key is unknown',
    knownHosts: ({ other }) => `${other}\n`,
    says: [/sally: host key of \S+ is unknown: ssh-ed25519 SHA256:/, 'certs nodes trust sally'],
    exitCode: 1,
  },
  {
    what: 'the connection is refused',
    onNode: 'systemctl stop ssh',
    mend: 'systemctl start ssh',
    says: [
      /sally: connect to \S+ failed: connection refused/,
      'hint: it is up, and nothing listens on port 22',
      'ssh -v -p 22 root@',
    ],
    exitCode: 1,
  },
  {
    what: 'the disk of the node is full',
    onNode: `
      cp -a /etc/letsencrypt /tmp/copy
      mount -t tmpfs -o size=200k,mode=755 full /etc/letsencrypt
      cp -a /tmp/copy/. /etc/letsencrypt
      dd if=/dev/zero of=/etc/letsencrypt/full bs=1k 2>/dev/null || true`,
    mend: 'umount /etc/letsencrypt; rm -r /tmp/copy',
    says: ['certs: error: sally: its disk is full', 'certs: hint: free at least '],
    exitCode: 1,
  },
  {
    what: '/etc is read-only',
    onNode: 'mount --bind /etc /etc && mount -o remount,ro,bind /etc',
    mend: 'umount /etc',
    says: [
      'certs: error: sally: its certificate folder is not writable',
      'certs: hint: remount it read-write',
    ],
    exitCode: 1,
  },
  {
    what: 'nginx -t fails before we come',
    onNode: 'echo "nonsense;" >/etc/nginx/conf.d/broken.conf',
    mend: 'rm /etc/nginx/conf.d/broken.conf',
    says: [
      'certs: error: sally: nginx -t already fails, before any change of ours',
      'unknown directive "nonsense" in /etc/nginx/conf.d/broken.conf:1',
      'certs: hint: mend the nginx configuration on the node first',
    ],
    exitCode: 1,
  },
  {
    what: 'nginx is not running',
    onNode: 'systemctl stop nginx',
    mend: 'systemctl start nginx',
    says: [
      'certs: error: sally: nginx is not running',
      'certs: hint: start it on the node: systemctl start nginx',
    ],
    exitCode: 1,
  },
  {
    what: 'a live file is no link',
    onNode: `cp --remove-destination ${archive}/privkey2.pem ${live}/privkey.pem`,
    mend: `ln -sf ../../archive/${site}/privkey2.pem ${live}/privkey.pem`,
    says: [
      `certs: error: sally: live/${site}/privkey.pem is a real file, not a link`,
      `certs: hint: certs rollout ${site} --adopt`,
    ],
    exitCode: 1,
  },
  {
    what: 'sudo wants a password',
    onNode: 'echo "deploy ALL=(root) ALL" >/etc/sudoers.d/deploy',
    mend: 'echo "deploy ALL=(root) NOPASSWD: /bin/sh -s" >/etc/sudoers.d/deploy',
    config: asDeploy,
    says: ['sudo: a password is required', 'deploy ALL=(root) NOPASSWD: /bin/sh -s'],
    exitCode: 1,
  },
  {
    what: 'the user may not run commands',
    onNode: 'usermod -s /usr/sbin/nologin deploy',
    mend: 'usermod -s /bin/bash deploy',
    config: asDeploy,
    says: [/sally: no shell for deploy at \S+ \(exit 1\)/, 'hint: its login shell must run commands'],
    exitCode: 1,
  },
]

export const worldFaults: readonly Fault[] = [
  {
    what: 'the configuration has an unknown key',
    config: (config) => ({ ...config, ssh: { ...config.ssh, knownhosts: 'x' } }) as Config,
    says: ['unknown key "knownhosts", did you mean "knownHosts"?', 'at ssh'],
    exitCode: 2,
  },
  {
    what: 'an environment variable is missing',
    config: withTsigSecret({ env: 'NO_SUCH_SECRET' }),
    says: ['the environment variable NO_SUCH_SECRET is not set', 'hint: export NO_SUCH_SECRET='],
    exitCode: 1,
  },
  {
    what: 'the TSIG key is wrong',
    config: withTsigSecret(Buffer.alloc(32, 1).toString('base64')),
    says: ['the server has another secret for the TSIG key certs-lab', 'hint: compare tsig.secret'],
    exitCode: 1,
  },
  {
    what: 'the CA can not be reached',
    config: (config) => ({ ...config, acme: { ...config.acme, directory: 'https://127.0.0.1:9/dir' } }),
    says: ['reading the directory at 127.0.0.1:9 failed: connection refused', 'hint: '],
    exitCode: 1,
  },
  {
    what: 'the CA’s own HTTPS is not trusted',
    config: (config) => ({ ...config, acme: { ...config.acme, caBundle: undefined } }),
    says: ["its HTTPS can't be trusted", 'set acme.caBundle to a PEM file with its roots'],
    exitCode: 1,
  },
]
