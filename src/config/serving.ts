import { isIP } from 'node:net'
import { ConfigError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import type { Endpoint, Starttls } from '../core/node.ts'
import { knownServices } from '../core/serving.ts'
import type { Services } from '../core/serving.ts'
import type { RawNode, RawService } from './schema.ts'

type RawEndpoint = NonNullable<RawNode['endpoints']>[number]

interface Place {
  /** Of the node. */
  readonly name: string
  /** Where the node is seen, unless an endpoint says otherwise. */
  readonly address: string
}

/** A node's services with every default filled in: nginx alone unless told. Throws ConfigError naming the node. */
export function normalizeServices(raw: RawNode, { name: node, address }: Place): Services {
  const where = `nodes["${node}"]`
  if (raw.nginx && raw.services) {
    throw new ConfigError(
      `${where} has both nginx and services: nginx is the short way of services: { nginx: … }`,
      {
        hint: `put its test and reload under ${where}.services.nginx`,
      },
    )
  }
  const entries = Object.entries<RawService>(raw.services ?? { nginx: raw.nginx ?? {} })
  if (entries.length === 0) {
    throw new ConfigError(`${where}.services is empty: nothing would read a new certificate`, {
      hint: 'name a service, or leave services out for nginx alone',
    })
  }
  return Object.fromEntries(
    entries.map(([name, given]) => {
      refuseOddName(`${where}.services`, name)
      const known = knownServices[name]
      const { test = known?.test, reload = known?.reload } = given
      if (!test || !reload) throw unknownService(`${where}.services.${name}`, name)
      const { port = 443, combined = given.combined ?? false, mail = false } = known ?? {}
      const endpoints = given.endpoints ?? (mail ? undefined : raw.endpoints) ?? [{}]
      return [
        name,
        { test, reload, combined, endpoints: endpoints.map((one) => endpointOf(one, { address, port })) },
      ]
    }),
  )
}

/** It stands between blanks in what the node program is told. */
function refuseOddName(where: string, name: string): void {
  if (/^[a-z][a-z0-9_-]{0,62}$/.test(name)) return
  throw new ConfigError(
    `${where}["${name}"]: a service's name has lower-case letters, digits, dashes and underscores only`,
  )
}

function unknownService(where: string, name: string): ConfigError {
  const known = Object.keys(knownServices)
  const close = nearest(name, known)
  return new ConfigError(`${where} is no service that is known, and lacks its test or reload`, {
    hint: [
      close ? `did you mean "${close}"?` : `known are ${known.join(', ')}`,
      `a service of your own needs both: ${name}: { test: ['…'], reload: ['systemctl', 'reload', '…'] }`,
    ],
  })
}

interface EndpointDefaults {
  readonly address: string
  readonly port: number
}

function endpointOf(given: RawEndpoint, { address, port }: EndpointDefaults): Endpoint {
  if (typeof given === 'string') {
    const place = splitAddress(given, port)
    return { ...place, via: 'direct', ...starttlsOf(place.port) }
  }
  const via = given.via ?? 'direct'
  const place = {
    address: given.address ?? (via === 'ssh' ? '127.0.0.1' : address),
    port: given.port ?? port,
  }
  return { ...place, via, ...starttlsOf(place.port, given.starttls) }
}

/** Ports on which nobody speaks TLS from the first byte (RFC 8314). */
const startingPorts: Readonly<Record<number, Starttls>> = {
  25: 'smtp',
  587: 'smtp',
  143: 'imap',
  110: 'pop3',
}

function starttlsOf(port: number, given?: Starttls | false): Pick<Endpoint, 'starttls'> {
  const starttls = given ?? startingPorts[port]
  return starttls ? { starttls } : {}
}

/** `address`, `address:port`, `[v6]:port` or a bare IPv6 address. */
export function splitAddress(given: string, defaultPort: number): { address: string; port: number } {
  if (isIP(given) === 6) return { address: given, port: defaultPort }
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(given)
  if (!match)
    throw new ConfigError(`"${given}" is no address`, {
      hint: 'write it as address:port or [2001:db8::1]:443',
    })
  return { address: (match[1] ?? match[2])!, port: match[3] === undefined ? defaultPort : Number(match[3]) }
}
