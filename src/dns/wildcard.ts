import { randomBytes } from 'node:crypto'
import { ProviderError } from '../core/errors.ts'
import { parentOf } from './challenge.ts'
import type { Resolver } from './resolver.ts'

/**
 * Whether a name does not exist, and would be answered for by a wildcard above it. A name below `*.NAME` tells it
 * exactly (RFC 4592 sections 2.2 and 3.3.1): where NAME exists, with or without a `*.NAME`, no wildcard reaches
 * that deep, and the answer is NXDOMAIN; where it does not, the wildcard above answers for that name, too.
 */
export async function isCoveredByWildcard(
  name: string,
  resolver: Resolver,
  signal: AbortSignal,
): Promise<boolean> {
  const below = `${randomBytes(8).toString('hex')}.*.${name}`
  return (await addressOf(below, resolver, signal)) !== undefined
}

/**
 * Refuses a record at `_acme-challenge.NAME` (or another label) that would take NAME off the net: with a record below
 * it, NAME exists without addresses (an empty non-terminal), and the wildcard no longer answers for it.
 */
export async function refuseWildcardOnly(
  record: string,
  resolver: Resolver,
  signal: AbortSignal,
): Promise<void> {
  const name = parentOf(record)
  if (!(await isCoveredByWildcard(name, resolver, signal))) return
  const says = await addressOf(name, resolver, signal)
  if (says === undefined) return
  const parent = parentOf(name)
  throw new ProviderError(
    `${name} exists only through a wildcard: it would stop resolving while ${record} exists`,
    {
      hint: [
        `give it the wildcard's records as its own, then run again: ${name}. IN ${says}`,
        `or have a certificate for the wildcard instead: names: ['*.${parent}'] (if *.${parent} is the wildcard)`,
        `a CNAME at ${record} would hide it just the same`,
      ],
    },
  )
}

/**
 * The first CNAME or address at the name, as `A 192.0.2.1`; undefined when there is none. The CNAME comes first:
 * a look-up of addresses would fail where its target is broken.
 */
async function addressOf(name: string, resolver: Resolver, signal: AbortSignal): Promise<string | undefined> {
  const { rcode, answers } = await resolver.ask(name, 'CNAME', signal)
  const cname = answers.find((record) => record.type === 'CNAME' && record.name === name)
  if (cname) return `CNAME ${cname.text}.`
  if (rcode === 'NXDOMAIN') return undefined
  const addresses = await Promise.all(
    (['A', 'AAAA'] as const).map(async (type) => {
      const [address] = await resolver.lookUp(name, type, signal)
      return address && `${type} ${address}`
    }),
  )
  return addresses.find((address) => address !== undefined)
}
