import { chooseInstant, saySuggestion } from './ari.ts'
import type { Suggestion } from './ari.ts'
import type { Certificate, Leaf } from './certificate.ts'
import { dayMs, sayDuration, sayInstant } from './duration.ts'

export interface RenewalInput {
  readonly certificate: Certificate
  /** The leaf of the newest stored version whose key we hold; undefined when nothing is stored. */
  readonly stored: Leaf | undefined
  readonly now: Date
  /** What the CA said of the stored leaf; undefined where it says nothing. */
  readonly suggestion?: Suggestion | undefined
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
  suggestion,
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
  const renewal = judgeDates(stored, now, suggestion)
  return !renewal.due && underway
    ? { due: true, because: 'an earlier run left its order unfinished' }
    : renewal
}

/** Whether a CA's window, or its silence, is no longer waited for: nothing valid is stored, or the last sixth has begun. */
export function isLate(stored: Leaf | undefined, now: Date): boolean {
  return !stored || now.getTime() >= floorOf(stored)
}

function floorOf({ notBefore, notAfter }: Leaf): number {
  return Date.parse(notAfter) - (Date.parse(notAfter) - Date.parse(notBefore)) / 6
}

/**
 * An instant in the window that the CA suggests, or else a share of the lifetime. A CA's window may be wrong, so what is
 * left of the last sixth of the lifetime is renewed whatever it says: a sixth is 7 days of 45 and a day of 6, which
 * leaves room for four tries and more with the pauses between them.
 */
function judgeDates(leaf: Leaf, now: Date, suggestion: Suggestion | undefined): Renewal {
  const notAfter = Date.parse(leaf.notAfter)
  const lifetime = notAfter - Date.parse(leaf.notBefore)
  const left = notAfter - now.getTime()
  if (left <= 0) return { due: true, because: `it expired ${sayDuration(left)} ago` }

  const floor = floorOf(leaf)
  const suggested = suggestion && chooseInstant(suggestion, leaf).getTime()
  const dueAt = suggested === undefined ? notAfter - lifetime * shareOf(lifetime) : Math.min(suggested, floor)
  if (now.getTime() < dueAt) {
    const by =
      suggested === undefined ? '' : dueAt === suggested ? ', as the CA suggests' : ', before the CA suggests'
    const instant = sayInstant(new Date(dueAt).toISOString())
    return { due: false, because: `valid for ${sayDuration(left)}, due from ${instant}${by}` }
  }
  if (!suggestion || suggested === undefined)
    return { due: true, because: `it expires in ${sayDuration(left)}` }
  if (now.getTime() >= suggested) return { due: true, because: saySuggestion(suggestion) }
  return {
    due: true,
    because: `it expires in ${sayDuration(left)}, and ${saySuggestion(suggestion)}: that is too late`,
  }
}

/**
 * A third of the lifetime, half of lifetimes under 10 days: a share follows the CA to shorter lifetimes, a fixed number
 * of days does not.
 */
function shareOf(lifetime: number): number {
  return lifetime < 10 * dayMs ? 1 / 2 : 1 / 3
}
