import { readCaa, type CaaSet } from '../core/caa.ts'
import type { DnsMessage } from '../core/dns-message.ts'
import { ProviderError } from '../core/errors.ts'
import { baseName, suffixes } from './challenge.ts'
import type { Resolver } from './resolver.ts'

const maxAliases = 16

/** Resolves to the CAA records that count for an identifier. Throws ProviderError when DNS does not say. */
export type FindCaa = (identifier: string, signal: AbortSignal) => Promise<CaaSet>

/**
 * Climbs from a name to the top-level domain, as RFC 8659 section 3 says: an alias counts as the name that it leads
 * to, and what is above that name does not. Names above are asked for once, however many certificates they are for.
 */
export function createFindCaa(resolver: Resolver): FindCaa {
  const asked = new Map<string, Promise<CaaSet>>()

  function ask(name: string, signal: AbortSignal): Promise<CaaSet> {
    const known = asked.get(name)
    if (known) return known
    const found = resolver.ask(name, 'CAA', signal).then((answer) => recordsAt(name, answer))
    asked.set(name, found)
    return found
  }

  return async (identifier, signal) => {
    const name = baseName(identifier)
    const climb = suffixes(name).map((each) => ask(each, signal))
    // What is further up is not waited for, and need not answer, once a closer name has said something.
    for (const step of climb) step.catch(() => undefined)
    for (const step of climb) {
      const found = await step
      if (found.records.length > 0) return found
    }
    return { owner: name, records: [] }
  }
}

function recordsAt(name: string, { answers }: DnsMessage): CaaSet {
  let owner = name
  for (let hop = 0; hop < maxAliases; hop++) {
    const alias = answers.find((record) => record.type === 'CNAME' && record.name === owner)
    if (!alias) break
    owner = alias.text
  }
  const found = answers.filter((record) => record.type === 'CAA' && record.name === owner)
  const records = found.map(({ data }) => {
    const record = readCaa(data)
    if (record) return record
    throw new ProviderError(`look-up of CAA ${owner} failed: one of its records is malformed`, {
      hint: `see what stands there: dig ${owner} CAA`,
    })
  })
  return { owner, records }
}
