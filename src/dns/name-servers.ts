import { isIPv6 } from 'node:net'
import { ProviderError } from '../core/errors.ts'
import type { Resolver } from './resolver.ts'
import { hasRoute } from './route.ts'

/** One address of one authoritative server. */
export interface NameServerAddress {
  readonly host: string
  readonly address: string
}

/**
 * Every address of every name server of a zone that can be asked from here. A name server that has no address,
 * or whose name does not resolve, is passed over as a CA's resolver does. Throws ProviderError when none is left.
 */
export async function nameServersOf(
  zone: string,
  resolver: Resolver,
  signal: AbortSignal,
): Promise<NameServerAddress[]> {
  const hosts = await resolver.lookUp(zone, 'NS', signal)
  const all = await Promise.all(hosts.map((host) => addressesOf(host, resolver, signal)))
  // Several names may lead to one address.
  const found = new Map(all.flat().map((each) => [each.address, each]))
  if (found.size > 0) return [...found.values()]
  const names = hosts.join(', ') || 'no NS records'
  throw new ProviderError(`no name server of ${zone} has an address to ask: ${names}`, {
    hint: `see what the public DNS says: dig ${zone} NS`,
  })
}

async function addressesOf(
  host: string,
  resolver: Resolver,
  signal: AbortSignal,
): Promise<NameServerAddress[]> {
  const lookUp = (type: 'A' | 'AAAA'): Promise<string[]> =>
    resolver.lookUp(host, type, signal).catch((error: unknown) => {
      if (error instanceof ProviderError) return []
      throw error
    })
  const [v4, v6] = await Promise.all([lookUp('A'), lookUp('AAAA')])
  const reachable = await Promise.all(
    [...v4, ...v6].map(async (address) => {
      const asked = !isIPv6(address) || (await hasRoute(address))
      return asked ? [{ host, address }] : []
    }),
  )
  return reachable.flat()
}
