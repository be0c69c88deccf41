import { randomBytes } from 'node:crypto'
import { ProviderError } from '../core/errors.ts'
import type { Resolver } from './resolver.ts'

/**
 * Whether a name is answered by a wildcard above it and does not exist itself. A name below `*.NAME` tells it
 * exactly (RFC 4592 section 2.2 and 3.3.1): where NAME exists, with or without a `*.NAME`, no wildcard matches
 * that deep, and the answer is NXDOMAIN; where it does not, the wildcard above answers for it, too.
 */
export async function isWildcardOnly(
  name: string,
  resolver: Resolver,
  signal: AbortSignal,
): Promise<boolean> {
  const below = `${randomBytes(8).toString('hex')}.*.${name}`
  const [probe, itself] = await Promise.all([
    resolves(below, resolver, signal),
    resolves(name, resolver, signal),
  ])
  return probe !== undefined && itself !== undefined
}

/**
 * Refuses a record at `_acme-challenge.NAME` that would take NAME off the net: with a record below it, NAME
 * exists without addresses (an empty non-terminal), and the wildcard no longer answers for it.
 */
export async function refuseWildcardOnly(
  name: string,
  resolver: Resolver,
  signal: AbortSignal,
): Promise<void> {
  if (!(await isWildcardOnly(name, resolver, signal))) return
  const parent = name.split('.').slice(1).join('.')
  const says = await resolves(name, resolver, signal)
  throw new ProviderError(
    `${name} exists only through a wildcard: it would stop resolving while _acme-challenge.${name} exists`,
    {
      hint: [
        `give it the wildcard's records as its own, then run again: ${name}. IN ${says ?? 'A …'}`,
        `or have a certificate for the wildcard instead: names: ['*.${parent}'] (if *.${parent} is the wildcard)`,
        `a CNAME at _acme-challenge.${name} would hide it just the same`,
      ],
    },
  )
}

/** The first address or CNAME at the name, as `A 192.0.2.1`; undefined when there is none. */
async function resolves(name: string, resolver: Resolver, signal: AbortSignal): Promise<string | undefined> {
  const answers = await Promise.all([resolver.ask(name, 'A', signal), resolver.ask(name, 'AAAA', signal)])
  const records = answers.flatMap((answer) => answer.answers.filter((record) => record.name === name))
  const [first] = records.filter(({ type }) => type === 'A' || type === 'AAAA' || type === 'CNAME')
  if (!first) return undefined
  return first.type === 'CNAME' ? `CNAME ${first.text}.` : `${first.type} ${first.text}`
}
