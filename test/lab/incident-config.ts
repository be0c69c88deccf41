import { inspect } from 'node:util'
import type { Config } from '../../src/index.ts'
import { site } from './cdn-node.ts'
import type { Host, Lab } from './hosts.ts'
import type { Named } from './named.ts'
import type { Pebble } from './pebble.ts'

export const coreName = 'fritz'

export interface Staged {
  readonly lab: Lab
  readonly cdn: readonly Host[]
  readonly named: Named
  readonly pebble: Pebble
  readonly state: string
}

/** The fleet of the incident as an operator would write it down; relative paths are in the lab's folder. */
export function configOf({ lab, named, pebble, cdn, state }: Staged): Config {
  const server = `${named.address}:${named.port}`
  const { name, algorithm } = named.tsig
  const node = (host: Host) => ({
    address: host.address,
    groups: ['cdn'],
    endpoints: [host.address, host.address6],
  })
  return {
    state,
    acme: { directory: pebble.directory, contact: ['ops@hachyderm.io'], caBundle: 'ca-bundle.pem' },
    dns: {
      home: { provider: 'rfc2136', server, tsig: { name, algorithm, secret: { file: 'tsig.secret' } } },
    },
    resolvers: [server],
    ssh: { user: 'root', identity: lab.identity, knownHosts: lab.knownHosts },
    nodes: {
      ...Object.fromEntries(cdn.map((host) => [host.name, node(host)])),
      [coreName]: { address: lab.host(coreName).address, groups: ['core'] },
    },
    certificates: {
      [site]: {
        nodes: ['cdn'],
        probes: [{ url: `https://${site}/health.png`, status: 200, contentType: 'image/' }],
      },
    },
    rollout: { canary: 1, waves: ['50%', '100%'] },
  }
}

export function configText(config: object): string {
  const text = inspect(config, { depth: Infinity, breakLength: 110, maxArrayLength: null, sorted: false })
  return `import type { Config } from 'certs'\n\nexport default ${text} satisfies Config\n`
}
