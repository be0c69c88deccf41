import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { handshake } from '../../deploy/verify.ts'
import type { Config } from '../../src/index.ts'
import { writeLineage } from '../lab/cdn-node.ts'
import { createDatedCa } from '../lab/dated-ca.ts'
import { startHosts, type Host } from '../lab/hosts.ts'
import { configText } from '../lab/incident-config.ts'
import { startNamed, type Named } from '../lab/named.ts'
import { startLaterCa, type LaterCa } from './later-ca.ts'

export const dayMs = 86_400_000
export const sites = ['media.hachyderm.io', 'www.hachyderm.io'] as const

/** Two hosts that serve two certificates, two name servers of which one lags, and a CA by a clock of its own. */
export interface World extends AsyncDisposable {
  /** The instant it is for the CA, in milliseconds; whoever runs something sets it. */
  clock: number
  readonly ca: LaterCa
  readonly named: Named
  readonly hosts: readonly Host[]
  /** Path of the configuration. */
  readonly config: string
  readonly state: string
  /** A folder that Node.js keeps compiled code in. */
  readonly compiled: string
  /** What every host serves for every site it has. */
  served(): Promise<readonly ServedLeaf[]>
}

export interface ServedLeaf {
  readonly host: string
  readonly site: string
  readonly notBefore: number
  readonly notAfter: number
}

export interface WorldOptions {
  readonly clock: number
  readonly lifetimeMs: number
}

const places: Readonly<Record<string, readonly string[]>> = {
  sally: sites,
  esme: sites.slice(0, 1),
}

export async function openWorld({ clock, lifetimeMs }: WorldOptions): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const hosting = startHosts({
    nodes: Object.keys(places),
    async prepare(host, { folder }) {
      await using old = await createDatedCa(join(folder, `old-ca-${host.name}`))
      const dates = { notBefore: new Date(clock - 70 * dayMs), notAfter: new Date(clock + 20 * dayMs) }
      for (const site of places[host.name] ?? []) {
        await writeLineage(host, site, [await old.issue({ names: [site], ...dates })])
        await host.writeFile(`etc/nginx/sites-enabled/${site}`, serverBlock(site))
      }
    },
  })
  const lab = stack.use(await hosting)
  const [primary, secondary] = await startNameServers(stack)
  const world = { clock }
  const ca = stack.use(
    // It asks the name server that lags.
    await startLaterCa({
      dnsServer: `${secondary.address}:${secondary.port}`,
      now: () => world.clock,
      lifetimeMs,
    }),
  )
  const { name, algorithm, secret } = primary.tsig
  const server = `${primary.address}:${primary.port}`
  const at = (file: string): string => join(lab.folder, file)
  await writeFile(at('tsig.secret'), secret, { mode: 0o600 })
  await writeFile(at('ca.pem'), ca.caBundle)
  const hosts = Object.keys(places).map((each) => lab.host(each))
  const config: Config = {
    state: at('state'),
    acme: { directory: ca.directory, caBundle: 'ca.pem' },
    dns: {
      home: { provider: 'rfc2136', server, tsig: { name, algorithm, secret: { file: 'tsig.secret' } } },
    },
    resolvers: [server],
    ssh: { user: 'root', identity: lab.identity, knownHosts: lab.knownHosts },
    nodes: Object.fromEntries(hosts.map((host) => [host.name, { address: host.address }])),
    certificates: Object.fromEntries(
      sites.map((site) => [
        site,
        { nodes: hosts.map((host) => host.name).filter((each) => places[each]?.includes(site)) },
      ]),
    ),
  }
  await writeFile(at('certs.config.ts'), configText(config))
  const started = stack.move()
  return Object.assign(world, {
    ca,
    named: primary,
    hosts,
    config: at('certs.config.ts'),
    state: at('state'),
    compiled: at('compiled'),
    served: async () => (await Promise.all(hosts.map(look))).flat(),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  })
}

async function look(host: Host): Promise<ServedLeaf[]> {
  const endpoint = { address: host.address, port: 443, via: 'direct' } as const
  return Promise.all(
    (places[host.name] ?? []).map(async (site) => {
      const { leaf, error } = await handshake(endpoint, site)
      if (!leaf) throw new Error(`${host.name} does not serve ${site}: ${error}`)
      const { notBefore, notAfter } = leaf
      return { host: host.name, site, notBefore: Date.parse(notBefore), notAfter: Date.parse(notAfter) }
    }),
  )
}

/** The primary takes the updates; the secondary, a name server of the zone like it, looks for them every second. */
async function startNameServers(stack: AsyncDisposableStack): Promise<readonly [Named, Named]> {
  const zone = 'hachyderm.io'
  const records = sites.map((site) => `${site}. A 192.0.2.1`).join('\n')
  const primary = stack.use(await startNamed({ zones: { [zone]: { records } } }))
  const follow = { secondary: { address: primary.address, refreshSeconds: 1 } }
  const secondary = stack.use(await startNamed({ zonesOnly: true, zones: { [zone]: follow } }))
  await primary.update(
    `update add ${zone} 60 NS ns2.${zone}.`,
    `update add ns2.${zone} 60 A ${secondary.address}`,
  )
  return [primary, secondary]
}

const serverBlock = (site: string): string => `server {
  listen 443 ssl;
  server_name ${site};
  ssl_certificate /etc/letsencrypt/live/${site}/fullchain.pem;
  ssl_certificate_key /etc/letsencrypt/live/${site}/privkey.pem;
}
`
