import type { TsigKey } from './named.ts'

/** One zone of a lab name server. SOA, NS and the name servers' addresses are written for it. */
export interface Zone {
  /** More lines in master file format, relative to the zone, each with its owner; `$TTL` is 60. */
  readonly records?: string
  /**
   * The zone's name servers and where they are: `{ 'ns1.hachyderm.io': '127.77.3.4' }`. Addresses are added
   * for names inside the zone. The default is `ns1.ZONE` at this server.
   */
  readonly nameServers?: Readonly<Record<string, string | readonly string[]>>
  /** Follow a primary, looking for changes only every `refreshSeconds`; `records` is not used then. */
  readonly secondary?: { readonly address: string; readonly port?: number; readonly refreshSeconds: number }
  /** SOA minimum: seconds for which resolvers keep a negative answer. */
  readonly negativeTtl?: number
  /** The whole master file instead, as a signed zone's. It takes no updates. */
  readonly text?: string
  /** Refuse dynamic updates. */
  readonly frozen?: true
}

export interface NamedSettings {
  readonly folder: string
  readonly address: string
  readonly address6?: string | undefined
  readonly port: number
  readonly keys: readonly TsigKey[]
  readonly zones: Readonly<Record<string, Zone>>
  readonly recursion: boolean
  readonly more?: string | undefined
  readonly trustAnchors?: string | undefined
}

export function zoneFile(name: string): string {
  return `zone.${name === '.' ? 'root' : name}`
}

export function zoneText(name: string, zone: Zone, address: string): string {
  const origin = name === '.' ? '.' : `${name}.`
  const inZone = (label: string): string => (name === '.' ? `${label}.` : `${label}.${name}.`)
  const nameServers = Object.entries(zone.nameServers ?? { [inZone('ns1').slice(0, -1)]: address })
  const lines = [
    `$ORIGIN ${origin}`,
    '$TTL 60',
    `@ SOA ${nameServers[0]?.[0]}. ${inZone('hostmaster')} 1 3600 600 864000 ${zone.negativeTtl ?? 1}`,
  ]
  for (const [server, where] of nameServers) {
    lines.push(`@ NS ${server}.`)
    if (!`.${server}.`.endsWith(`.${origin}`) && name !== '.') continue
    for (const each of [where].flat()) lines.push(`${server}. ${each.includes(':') ? 'AAAA' : 'A'} ${each}`)
  }
  const records = (zone.records ?? '').split('\n').map((line) => line.trimStart())
  return [...lines, ...records, ''].join('\n')
}

export function namedConfiguration(settings: NamedSettings): string {
  const { folder, port } = settings
  const listen6 = settings.address6 ? `${settings.address6};` : 'none;'
  const names = settings.keys.map((key) => `key "${key.name}";`).join(' ')
  return [
    `options {
  directory "${folder}"; pid-file "${folder}/named.pid"; session-keyfile "${folder}/session.key"; lock-file none;
  listen-on port ${port} { ${settings.address}; }; listen-on-v6 port ${port} { ${listen6} };
  allow-query { any; }; recursion ${settings.recursion ? 'yes' : 'no'}; allow-recursion { any; }; allow-transfer { any; };
  notify no; dnssec-validation ${settings.trustAnchors ? 'yes' : 'no'}; empty-zones-enable no; max-cache-ttl 1; min-refresh-time 1;
  ${settings.more ?? ''}
};
controls { };
${settings.trustAnchors ? `trust-anchors { ${settings.trustAnchors} };` : ''}`,
    ...settings.keys.map(
      (key) => `key "${key.name}" { algorithm ${key.algorithm}; secret "${key.secret}"; };`,
    ),
    ...Object.entries(settings.zones).map(([name, zone]) => zoneBlock(name, zone, names)),
    '',
  ].join('\n')
}

function zoneBlock(name: string, zone: Zone, keys: string): string {
  const file = `file "${zoneFile(name)}";`
  if (zone.secondary) {
    const { address, port = 53, refreshSeconds } = zone.secondary
    const refresh = `min-refresh-time ${refreshSeconds}; max-refresh-time ${refreshSeconds};`
    return `zone "${name}" { type secondary; ${file} primaries { ${address} port ${port}; }; ${refresh} };`
  }
  const update = zone.frozen || zone.text ? 'none;' : keys
  return `zone "${name}" { type primary; ${file} allow-update { ${update} }; };`
}
