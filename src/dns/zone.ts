import { ProviderError } from '../core/errors.ts'
import { suffixes } from './challenge.ts'
import type { Resolver } from './resolver.ts'

/**
 * The zone that is authoritative for a name: the closest name at or above it that owns a SOA record.
 * Guessing from the name would miss delegated child zones and take public suffixes for zones.
 */
export async function findZone(name: string, resolver: Resolver, signal: AbortSignal): Promise<string> {
  for (const candidate of suffixes(name)) {
    const { answers, authorities } = await resolver.ask(candidate, 'SOA', signal)
    // Behind a CNAME, both sections speak of the target's zone.
    if (answers.some((record) => record.type === 'CNAME')) continue
    const soa = [...answers, ...authorities].find((record) => record.type === 'SOA')
    if (soa && (soa.name === candidate || candidate.endsWith(`.${soa.name}`))) return soa.name
  }
  throw new ProviderError(`no zone for ${name}: neither it nor a name above it has a SOA record`, {
    hint: `see whether the domain is registered and delegated: dig ${name.split('.').slice(-2).join('.')} NS`,
  })
}
