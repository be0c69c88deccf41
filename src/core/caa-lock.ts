import { lockingRecord, showCaa } from './caa.ts'
import type { CaaRecord, CaaSet, Issuer } from './caa.ts'

/** What to set at one name so that nobody but our accounts can issue for it or for any name below it. */
export interface CaaLock {
  /** The zone that the records are in. */
  readonly zone: string
  readonly owner: string
  /** How the names there are proved. */
  readonly methods: readonly string[]
  /** How many CAs may issue. */
  readonly cas: number
  /** As they stand in a zone file; empty when all is set. */
  readonly set: readonly string[]
  /** Records that would still let others in. */
  readonly remove: readonly string[]
}

export interface LockLook {
  readonly zone: string
  readonly found: CaaSet
  /** How the name that was looked up is proved. */
  readonly methods: readonly string[]
}

/** One lock for each place where CAA records count for a name: where some stand today, else at the zone's own name. */
export function lockCaa(looks: readonly LockLook[], issuers: readonly Issuer[]): CaaLock[] {
  const places = Map.groupBy(looks, ({ zone, found }) => placeOf(zone, found))
  return [...places].map(([owner, here]) => {
    const { zone, found } = here[0]!
    const methods = [...new Set(here.flatMap((look) => look.methods))].toSorted()
    const locks = issuers.map((issuer) => lockingRecord({ ...issuer, methods }))
    const others = found.records.filter(
      (record) => isIssue(record) && !locks.some((lock) => isSame(record, lock)),
    )
    const missing = locks.filter((lock) => !found.records.some((record) => isSame(record, lock)))
    return {
      zone,
      owner,
      methods,
      cas: issuers.length,
      set: missing.map((lock) => showCaa(owner, lock)),
      remove: others.map((record) => showCaa(owner, record)),
    }
  })
}

function placeOf(zone: string, { owner, records }: CaaSet): string {
  return records.length > 0 ? owner : zone
}

/** Without an `issuewild` beside it, `issue` binds wildcards, too (RFC 8659 section 4.3). */
function isIssue({ tag }: CaaRecord): boolean {
  return tag === 'issue' || tag === 'issuewild'
}

function isSame(a: CaaRecord, b: CaaRecord): boolean {
  return a.tag === b.tag && a.value === b.value
}

/** Lines for a zone file; what is no record is a comment. */
export function renderCaaLocks(locks: readonly CaaLock[]): string {
  return locks.map((lock) => renderLock(lock).join('\n')).join('\n\n')
}

function renderLock({ zone, owner, methods, cas, set, remove }: CaaLock): string[] {
  const who = cas === 1 ? 'this account' : 'these accounts'
  if (set.length === 0 && remove.length === 0) return [`; ${owner}: locked to ${who} already`]
  return [
    `; zone ${zone}: only ${who} may issue for ${owner} and every name below it, by ${methods.join(' or ')} alone`,
    ...set,
    ...(remove.length > 0 ? ['; in place of', ...remove.map((line) => `; ${line}`)] : []),
  ]
}
