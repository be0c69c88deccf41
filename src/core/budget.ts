import type { Parking } from './backoff.ts'
import { dayMs, hourMs, sayDuration } from './duration.ts'

export interface Limit {
  readonly most: number
  readonly windowMs: number
}

/** What a CA lets one account do, as far as we count it. */
export interface Limits {
  /** Certificates for exactly the same names. */
  readonly perSet: Limit
  /** Certificates with a name in one registered domain. */
  readonly perDomain: Limit
  /** Failed validations of one name. */
  readonly failures: Limit
  readonly orders: Limit
  /** An order that names the certificate it replaces counts nowhere (RFC 9773 section 5). */
  readonly replacingIsFree: boolean
}

const week = 7 * dayMs

/** By host of the directory's URL; https://letsencrypt.org/docs/rate-limits and …/docs/staging-environment. */
const known: Readonly<Record<string, Limits>> = {
  'acme-v02.api.letsencrypt.org': {
    perSet: { most: 5, windowMs: week },
    perDomain: { most: 50, windowMs: week },
    failures: { most: 5, windowMs: hourMs },
    orders: { most: 300, windowMs: 3 * hourMs },
    replacingIsFree: true,
  },
  'acme-staging-v02.api.letsencrypt.org': {
    perSet: { most: 30_000, windowMs: week },
    perDomain: { most: 30_000, windowMs: week },
    failures: { most: 200, windowMs: hourMs },
    orders: { most: 1_500, windowMs: 3 * hourMs },
    replacingIsFree: true,
  },
}

/**
 * Undefined for a CA whose limits are not known: a guess would refuse, in the night it matters, what the CA would
 * have done. Such a CA is asked, and what it refuses waits as long as it says.
 */
export function limitsOf(directory: string): Limits | undefined {
  return known[new URL(directory).hostname]
}

/** One order, written down before it was sent. */
export interface Spending {
  /** ISO 8601. */
  readonly at: string
  readonly certificate: string
  /** Sorted. */
  readonly names: readonly string[]
  /** The registered domains of the names. */
  readonly domains: readonly string[]
  /** Absent while the order is under way: it counts as everything that it may become. */
  readonly outcome?: 'issued' | 'nothing' | undefined
  /** Names that the CA could not validate. */
  readonly failed?: readonly string[] | undefined
}

/** How much of one limit is used. */
export interface Usage {
  readonly of: 'set' | 'domain' | 'name' | 'account'
  /** `issuances for this set of names`. */
  readonly what: string
  readonly used: number
  readonly most: number
  readonly windowMs: number
  /** When one more is allowed; absent while one is. */
  readonly freeAt?: string | undefined
}

export interface Wish {
  readonly names: readonly string[]
  readonly domains: readonly string[]
}

/**
 * What an order for these names would find used of each limit. Windows slide: at no moment are there more than the
 * limit in any window, which is never more than a CA allows that fills a bucket drop by drop.
 */
export function judgeBudget(
  { names, domains }: Wish,
  {
    limits,
    spent,
    now,
  }: { readonly limits: Limits; readonly spent: readonly Spending[]; readonly now: Date },
): Usage[] {
  const set = keyOf(names)
  const issuing = spent.filter(({ outcome }) => outcome !== 'nothing')
  const count = (kind: Pick<Usage, 'of' | 'what'>, limit: Limit, counted: readonly Spending[]): Usage => {
    const { most, windowMs } = limit
    const from = now.getTime() - windowMs
    const instants = counted.map(({ at }) => Date.parse(at)).filter((at) => at > from)
    const oldest = instants.toSorted((a, b) => a - b).at(-most)
    const freeAt = oldest === undefined ? {} : { freeAt: new Date(oldest + windowMs).toISOString() }
    return { ...kind, used: instants.length, most, windowMs, ...freeAt }
  }
  const ofSet = issuing.filter((one) => keyOf(one.names) === set)
  return [
    count({ of: 'set', what: 'issuances for this set of names' }, limits.perSet, ofSet),
    ...domains.map((domain) => {
      const inDomain = issuing.filter((one) => one.domains.includes(domain))
      return count({ of: 'domain', what: `certificates for ${domain}` }, limits.perDomain, inDomain)
    }),
    ...names.map((name) => {
      const failed = spent.filter((one) => mayHaveFailed(one, name))
      return count({ of: 'name', what: `failed validations of ${name}` }, limits.failures, failed)
    }),
    count({ of: 'account', what: 'orders' }, limits.orders, spent),
  ]
}

function keyOf(names: readonly string[]): string {
  return names.toSorted().join(' ')
}

function mayHaveFailed({ names, outcome, failed }: Spending, name: string): boolean {
  return outcome === undefined ? names.includes(name) : (failed?.includes(name) ?? false)
}

/** The limit that is used up the longest, or undefined when an order is allowed. */
export function judgeUsage(usages: readonly Usage[]): Parking | undefined {
  const [last] = usages
    .filter(({ freeAt }) => freeAt !== undefined)
    .toSorted((a, b) => Date.parse(b.freeAt ?? '') - Date.parse(a.freeAt ?? ''))
  return last?.freeAt === undefined ? undefined : { until: last.freeAt, by: 'limit', because: sayUsage(last) }
}

/** `2 of 5 issuances for this set of names used in 7 days`. */
export function sayUsage({ used, most, what, windowMs }: Usage): string {
  return `${used} of ${most} ${what} used in ${windowMs === hourMs ? 'an hour' : sayDuration(windowMs)}`
}

/** Spendings that still count somewhere. */
export function stillCounting(spent: readonly Spending[], now: Date): Spending[] {
  return spent.filter(({ at }) => Date.parse(at) > now.getTime() - week)
}
