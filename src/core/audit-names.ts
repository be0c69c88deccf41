import { isIP } from 'node:net'
import { realNames, servedNames } from './audit-served.ts'
import { sayPlace } from './audit-finding.ts'
import type { NodeView } from './audit-view.ts'
import type { Certificate } from './certificate.ts'

/** A name that something on the fleet answers for, and where that is said. */
export interface SaidName {
  readonly name: string
  readonly at: readonly { readonly node: string; readonly what: string }[]
}

/** Where a name leads in DNS. */
export type NameLook =
  | { readonly name: string; readonly addresses: readonly string[]; readonly alias?: string }
  | { readonly name: string; readonly error: string }

export interface NameFinding extends SaidName {
  /** `nowhere`: it does not resolve, or to no address. */
  readonly leads: 'here' | 'partly' | 'elsewhere' | 'nowhere' | 'unknown'
  /** Those that are not this fleet's; all, where it leads elsewhere. */
  readonly addresses: readonly string[]
  /** The name that its CNAMEs end at. */
  readonly alias?: string
  readonly error?: string
}

/** Every name worth asking DNS for: of servers with or without TLS, of what they serve, and configured ones. */
export function namesOf(views: readonly NodeView[], certificates: readonly Certificate[]): SaidName[] {
  const said = views.flatMap(({ node, use, holdings }) => [
    ...use.names.flatMap(({ name, at }) =>
      realNames({ names: [name] }).map((real) => ({ name: real, node, what: sayPlace(at) })),
    ),
    ...holdings.flatMap(({ certificate, servers, label }) =>
      certificate && servers.length > 0 && servedNames(servers, certificate).length > 0
        ? realNames(certificate).map((name) => ({ name, node, what: label }))
        : [],
    ),
  ])
  const configured = certificates.flatMap(({ name: certificate, names }) =>
    realNames({ names }).map((name) => ({ name, node: '', what: `certificates["${certificate}"]` })),
  )
  const groups = Map.groupBy([...said, ...configured], ({ name }) => name)
  return [...groups]
    .map(([name, places]) => ({ name, at: unique(places.map(({ node, what }) => ({ node, what }))) }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
}

function unique(places: SaidName['at']): SaidName['at'] {
  return [...new Map(places.map((place) => [`${place.node} ${place.what}`, place])).values()]
}

/** `fleet` are the addresses at which users reach it. */
export function judgeName(said: SaidName, look: NameLook, fleet: ReadonlySet<string>): NameFinding {
  if ('error' in look) return { ...said, leads: 'unknown', addresses: [], error: look.error }
  const others = look.addresses.filter((address) => !fleet.has(canonicalAddress(address)))
  const leads =
    look.addresses.length === 0
      ? 'nowhere'
      : others.length === 0
        ? 'here'
        : others.length === look.addresses.length
          ? 'elsewhere'
          : 'partly'
  return { ...said, leads, addresses: others, ...(look.alias === undefined ? {} : { alias: look.alias }) }
}

/** One spelling for each IPv6 address (RFC 5952). */
export function canonicalAddress(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address}]/`).hostname.slice(1, -1) : address
}
