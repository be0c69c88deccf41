import { baseName } from './challenge.ts'
import type { Resolver } from './resolver.ts'

const maxAliases = 8

/** Where a name leads. */
export interface Addresses {
  readonly addresses: readonly string[]
  /** The last name of its CNAMEs, where it has any. */
  readonly alias?: string
}

/**
 * A and AAAA of a name, its CNAMEs followed, also where a resolver stops at one. No address is an answer too. Throws
 * ProviderError when DNS does not say.
 */
export async function findAddresses(
  resolver: Resolver,
  name: string,
  signal: AbortSignal,
): Promise<Addresses> {
  const found = await Promise.all(
    (['A', 'AAAA'] as const).map((type) => follow(resolver, { name, type, signal })),
  )
  const addresses = [...new Set(found.flatMap((one) => one.addresses))].toSorted()
  const end = found.find((one) => one.addresses.length > 0) ?? found[0]!
  return { addresses, ...(end.owner === baseName(name) ? {} : { alias: end.owner }) }
}

interface Asked {
  readonly name: string
  readonly type: 'A' | 'AAAA'
  readonly signal: AbortSignal
}

async function follow(
  resolver: Resolver,
  { name, type, signal }: Asked,
): Promise<{ addresses: string[]; owner: string }> {
  let owner = baseName(name)
  const seen = new Set<string>()
  while (!seen.has(owner) && seen.size < maxAliases) {
    seen.add(owner)
    const { answers } = await resolver.ask(owner, type, signal)
    for (let hop = 0; hop < maxAliases; hop++) {
      const alias = answers.find((record) => record.type === 'CNAME' && record.name === owner)
      if (!alias) break
      owner = alias.text
    }
    const addresses = answers.flatMap((record) =>
      record.type === type && record.name === owner ? record.text : [],
    )
    if (addresses.length > 0) return { addresses, owner }
  }
  return { addresses: [], owner }
}
