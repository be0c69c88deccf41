import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { unpackFromNewerDebian } from '../test/lab/packages/newer-debian.ts'
import { unpackFromThisDebian } from '../test/lab/packages/this-debian.ts'
import { runLine } from './measure.ts'
import type { Workshop } from './workshop.ts'

/** Another ACME client at the same CA and name server, set up by somebody who wants it fast. */
export interface OtherClient {
  readonly name: string
  /** How the tables call issuing and renewing with it. */
  readonly issuing: string
  readonly renewing: string
  /** One certificate in one process. */
  issue(domain: string): Promise<void>
  /** Renews those, all due, as its users' timers do. */
  renew(domains: readonly string[]): Promise<void>
}

/** It looks at no name server, and waits for nothing before it answers a challenge. */
export async function openLego({ folder, pebble, named, server, caBundle }: Workshop): Promise<OtherClient> {
  const tree = await unpackFromNewerDebian({ package: 'lego', atLeast: '4.35' })
  const { name, algorithm, secret } = named.tsig
  const env = {
    PATH: process.env['PATH'],
    LEGO_CA_CERTIFICATES: caBundle,
    DNSUPDATE_NAMESERVER: server,
    DNSUPDATE_TSIG_KEY: name,
    DNSUPDATE_TSIG_ALGORITHM: `${algorithm}.`,
    DNSUPDATE_TSIG_SECRET: secret,
    DNSUPDATE_POLLING_INTERVAL: '0',
  }
  const base = ['--server', pebble.directory, '--accept-tos', '--email', 'ops@fleet.example']
  const where = [
    '--path',
    join(folder, 'lego'),
    '--dns',
    'rfc2136',
    '--dns.resolvers',
    server,
    '--dns.propagation-disable-ans',
  ]
  const lego = (domain: string, verb: readonly string[]) =>
    runLine([join(tree, 'usr/bin/lego'), ...base, ...where, '--domains', domain, ...verb], env)
  return {
    name: 'lego',
    issuing: '`lego run`, one after the other',
    renewing: '`lego renew`, one after the other',
    issue: (domain) => lego(domain, ['run']),
    async renew(domains) {
      for (const domain of domains)
        await lego(domain, ['renew', '--days', '100', '--ari-disable', '--no-random-sleep'])
    },
  }
}

export interface Certbot extends OtherClient {
  /** Its `--config-dir`: archive, live and renewal. */
  readonly home: string
  /** What its timer runs. */
  renewWhatIsDue(): Promise<void>
}

/** It only waits before the challenge and never looks; where it is told to wait for nothing, that is soon enough here. */
export async function openCertbot(workshop: Workshop): Promise<Certbot> {
  const { folder, pebble, named, caBundle } = workshop
  const tree = await unpackFromThisDebian(['certbot', 'python3-certbot-dns-rfc2136'])
  const { name, algorithm, secret } = named.tsig
  const credentials = join(folder, 'certbot.ini')
  const settings = {
    server: named.address,
    port: named.port,
    name,
    secret,
    algorithm: algorithm.toUpperCase(),
  }
  const lines = Object.entries(settings).map(([key, value]) => `dns_rfc2136_${key} = ${value}\n`)
  await writeFile(credentials, lines.join(''), { mode: 0o600 })
  const home = join(folder, 'certbot')
  const env = {
    PATH: process.env['PATH'],
    PYTHONPATH: join(tree, 'usr/lib/python3/dist-packages'),
    REQUESTS_CA_BUNDLE: caBundle,
  }
  const where = ['--config-dir', home, '--work-dir', join(folder, 'work'), '--logs-dir', join(folder, 'logs')]
  const rfc2136 = ['--dns-rfc2136', '--dns-rfc2136-credentials', credentials]
  const waits = ['--dns-rfc2136-propagation-seconds', '0']
  const account = ['--server', pebble.directory, '--agree-tos', '--email', 'ops@fleet.example']
  const renew = ['renew', '--no-random-sleep-on-renew']
  const certbot = (verb: readonly string[]) =>
    runLine(
      ['/usr/bin/python3', join(tree, 'usr/bin/certbot'), ...verb, '--non-interactive', '--quiet', ...where],
      env,
    )
  return {
    name: 'certbot',
    issuing: '`certbot certonly`, one after the other',
    renewing: '`certbot renew`, one run',
    home,
    issue: (domain) =>
      certbot(['certonly', ...rfc2136, ...waits, ...account, '--key-type', 'ecdsa', '-d', domain]),
    renew: () => certbot([...renew, '--force-renewal']),
    renewWhatIsDue: () => certbot(renew),
  }
}
