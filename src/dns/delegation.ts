import { ProviderError } from '../core/errors.ts'
import { parentOf } from './challenge.ts'
import type { Resolver } from './resolver.ts'
import { isCoveredByWildcard, refuseWildcardOnly } from './wildcard.ts'
import { findZone } from './zone.ts'

const maxHops = 8

/** Where the CA's look-up of a TXT record ends. */
export interface Destination {
  readonly zone: string
  readonly name: string
  /** From where the CA begins, as `_acme-challenge.NAME`, to `name`; one entry when nothing is delegated. */
  readonly chain: readonly string[]
}

/**
 * Follows the CNAMEs from where the CA begins: one label of its own below the name to prove. Throws ProviderError: a
 * loop, too many hops, no zone, a name that a record would take off the net.
 */
export async function findDestination(
  start: string,
  resolver: Resolver,
  signal: AbortSignal,
): Promise<Destination> {
  const chain = await followCnames(start, resolver, signal)
  const name = chain.at(-1) ?? ''
  const zone = await findZone(name, resolver, signal).catch((error: unknown) => {
    if (chain.length > 1 && error instanceof ProviderError) throw dangling(chain, error)
    throw error
  })
  // A zone's own name always exists; so does a name with a delegation below it.
  if (chain.length === 1 && parentOf(start) !== zone) await refuseWildcardOnly(start, resolver, signal)
  return { zone, name, chain }
}

async function followCnames(start: string, resolver: Resolver, signal: AbortSignal): Promise<string[]> {
  const chain = [start]
  for (;;) {
    const name = chain.at(-1) ?? start
    const [target] = await resolver.lookUp(name, 'CNAME', signal).catch((error: unknown) => {
      if (chain.length > 1 && error instanceof ProviderError) throw dangling(chain, error)
      throw error
    })
    if (target === undefined) return chain
    // `*.example.com CNAME …` answers here, too, but gives way to a record at the name.
    if (chain.length === 1 && (await isCoveredByWildcard(name, resolver, signal))) return chain
    if (chain.includes(target)) throw badChain('a CNAME loop', [...chain, target])
    chain.push(target)
    if (chain.length > maxHops + 1) throw badChain(`more than ${maxHops} CNAMEs`, chain)
  }
}

function badChain(what: string, chain: readonly string[]): ProviderError {
  const [start = ''] = chain
  const target = start.startsWith('_acme-challenge.')
    ? 'a name in a zone that a provider of the configuration holds'
    : 'the name where the record stands'
  return new ProviderError(`following ${start} failed: ${what}: ${chain.join(' → ')}`, {
    hint: `let one CNAME lead from ${start} to ${target}`,
  })
}

function dangling(chain: readonly string[], cause: ProviderError): ProviderError {
  return new ProviderError(`following ${chain.join(' → ')} failed: ${cause.message}`, {
    cause,
    hint: [
      `the zone of ${chain.at(-1)} does not answer: mend it, or change the CNAME at ${chain.at(-2)}`,
      ...cause.hints,
    ],
  })
}
