import { ProviderError } from '../core/errors.ts'
import { showNameServer } from '../core/name-server.ts'
import type { Standing } from '../core/persist-finding.ts'
import { persistName } from '../core/persist-record.ts'
import { findDestination } from './delegation.ts'
import { nameServersOf } from './name-servers.ts'
import { query } from './query.ts'
import type { Resolver } from './resolver.ts'

export interface StandingOptions {
  readonly signal: AbortSignal
  /** Where authoritative servers listen; 53 outside of tests. */
  readonly port: number
}

const attempts = [1000, 2000]

/**
 * Asks every address of every authoritative server for the TXT records that stand where the CA looks. One that does
 * not answer with authority is passed over, as a CA's resolver does. Throws ProviderError when none is left.
 */
export async function findStanding(
  identifier: string,
  resolver: Resolver,
  { signal, port }: StandingOptions,
): Promise<Standing> {
  const { zone, name } = await findDestination(persistName(identifier), resolver, signal)
  const addresses = await nameServersOf(zone, resolver, signal)
  const asked = await Promise.all(
    addresses.map(async ({ host, address }) => {
      const server = { address, port }
      const question = { name, type: 'TXT', recursionDesired: false } as const
      const answer = await query(server, question, { signal, attempts }).catch((error: unknown) => {
        if (error instanceof ProviderError) return undefined
        throw error
      })
      if (!answer?.authoritative || !['NOERROR', 'NXDOMAIN'].includes(answer.rcode)) return []
      const records = answer.answers.filter((record) => record.type === 'TXT' && record.name === name)
      return [{ shown: `${host} (${showNameServer(server)})`, values: records.map(({ text }) => text) }]
    }),
  )
  const servers = asked.flat()
  if (servers.length > 0) return { zone, name, servers }
  throw new ProviderError(`look-up of TXT ${name} failed: no name server of ${zone} answers`, {
    hint: `see what they say: dig ${zone} NS`,
  })
}
