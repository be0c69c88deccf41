import { isIPv4, isIPv6 } from 'node:net'
import { ProviderError } from '../core/errors.ts'
import { showNameServer } from '../core/name-server.ts'
import { nameServersOf, type NameServerAddress } from './name-servers.ts'
import { query } from './query.ts'
import type { Resolver } from './resolver.ts'

export interface NameServerHealth {
  /** Addresses that answer for the zone with authority. */
  readonly answering: number
  /** One line for each that does not: who, and what it says instead. */
  readonly ill: readonly string[]
}

export interface HealthOptions {
  readonly signal: AbortSignal
  /** Where authoritative servers listen; 53 outside of tests. */
  readonly port?: number
}

const attempts = [1000, 2000]

/** Asks every address of every name server of a zone for its SOA. Throws ProviderError when there is none to ask. */
export async function askNameServers(
  zone: string,
  resolver: Resolver,
  { signal, port = 53 }: HealthOptions,
): Promise<NameServerHealth> {
  const [hosts, addresses] = await Promise.all([
    resolver.lookUp(zone, 'NS', signal),
    nameServersOf(zone, resolver, signal),
  ])
  const looked = await Promise.all(
    addresses.map(async (each) => ({ ...each, says: await look(zone, each, { signal, port }) })),
  )
  const isWell = (one: NameServerAddress & { readonly says: string }) => one.says === ''
  // Without IPv6 on the way there, the same server's IPv4 address stands for it.
  const spokenFor = looked.filter(isWell).filter(({ address }) => isIPv4(address))
  const ill = looked.filter(
    (one) => !isWell(one) && !(isIPv6(one.address) && spokenFor.some(({ host }) => host === one.host)),
  )
  const nowhere = hosts.filter((host) => !addresses.some((each) => each.host === host))
  return {
    answering: looked.filter(isWell).length,
    ill: [
      ...ill.map(({ host, address, says }) => `${host} (${showNameServer({ address, port })}) ${says}`),
      ...nowhere.map((host) => `${host} has no address that can be asked from here`),
    ],
  }
}

/** Empty when it answers with authority. */
async function look(
  zone: string,
  { address }: NameServerAddress,
  { signal, port }: { readonly signal: AbortSignal; readonly port: number },
): Promise<string> {
  try {
    const question = { name: zone, type: 'SOA', recursionDesired: false } as const
    const { rcode, authoritative, answers } = await query({ address, port }, question, { signal, attempts })
    if (rcode !== 'NOERROR') return `answers ${rcode}`
    const knows = answers.some((record) => record.type === 'SOA' && record.name === zone)
    return authoritative && knows ? '' : 'answers, but not with authority (lame)'
  } catch (error) {
    if (error instanceof ProviderError) return 'does not answer'
    throw error
  }
}
