import type { Certificate, Leaf } from './certificate.ts'
import { dayMs, sayDuration, sayInstant } from './duration.ts'

export interface RenewalInput {
  readonly certificate: Certificate
  /** The leaf of the newest stored version whose key we hold; undefined when nothing is stored. */
  readonly stored: Leaf | undefined
  readonly now: Date
  /** An earlier run left an order unfinished: it is finished, not left to lie at the CA. */
  readonly underway: boolean
  /** Why it is to be replaced whatever its dates say. */
  readonly withdrawn?: string | undefined
  /** A person asked for a new version. */
  readonly forced: boolean
}

export type Renewal = { readonly due: boolean; readonly because: string }

/** Judges whether a new version is to be issued. Reasons that need no date come first. */
export function judgeRenewal({
  certificate,
  stored,
  now,
  withdrawn,
  forced,
  underway,
}: RenewalInput): Renewal {
  if (!stored) return { due: true, because: 'no version is stored here' }
  if (withdrawn) return { due: true, because: withdrawn }
  if (forced) return { due: true, because: 'a new version was asked for' }

  const missing = certificate.names.filter((name) => !stored.names.includes(name))
  if (missing.length > 0) return { due: true, because: `the stored version lacks ${missing.join(', ')}` }
  const extra = stored.names.filter((name) => !certificate.names.includes(name))
  if (extra.length > 0) return { due: true, because: `${extra.join(', ')} is no longer configured` }
  if (stored.keyType !== certificate.key) {
    return { due: true, because: `its key is ${stored.keyType}, ${certificate.key} is configured` }
  }
  const renewal = judgeLifetime(stored, now)
  return !renewal.due && underway
    ? { due: true, because: 'an earlier run left its order unfinished' }
    : renewal
}

/**
 * Due when a third of the lifetime is left, half for lifetimes under 10 days: a fraction follows the CA to
 * shorter lifetimes, a fixed number of days does not.
 */
function judgeLifetime(leaf: Leaf, now: Date): Renewal {
  const notAfter = Date.parse(leaf.notAfter)
  const lifetime = notAfter - Date.parse(leaf.notBefore)
  const left = notAfter - now.getTime()
  const share = lifetime < 10 * dayMs ? 1 / 2 : 1 / 3
  const dueAt = notAfter - lifetime * share

  if (left <= 0) return { due: true, because: `it expired ${sayDuration(left)} ago` }
  if (now.getTime() >= dueAt) return { due: true, because: `it expires in ${sayDuration(left)}` }
  const instant = sayInstant(new Date(dueAt).toISOString())
  return { due: false, because: `valid for ${sayDuration(left)}, due from ${instant}` }
}
