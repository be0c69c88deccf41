import { dayMs, sayDuration, sayInstant } from './duration.ts'
import type { ErrorFacts } from './errors.ts'
import { judgePersist } from './persist.ts'
import { persistName, persistValue, showPersistTxt } from './persist-record.ts'
import type { PersistWish } from './persist-record.ts'

/** What every authoritative server that answers says where the CA looks for a record that stays. */
export interface Standing {
  readonly zone: string
  /** Where the chain of CNAMEs ends. */
  readonly name: string
  readonly servers: readonly {
    /** `ns1.hachyderm.io (192.0.2.1)`. */
    readonly shown: string
    /** TXT values, strings joined. */
    readonly values: readonly string[]
  }[]
}

export type PersistFinding =
  | {
      readonly kind: 'stands'
      readonly value: string
      /** What may disturb an issuance, now or later. */
      readonly note?: ErrorFacts
    }
  | { readonly kind: 'lacking'; readonly facts: ErrorFacts }

const nearMs = 30 * dayMs

/** The verdict in words, with the record to set. Each server must say a record that proves: the CA asks any of them. */
export function findPersist(standing: Standing, wish: PersistWish, now: Date): PersistFinding {
  const { zone, name, servers } = standing
  const judged = servers.map(({ shown, values }) => ({ shown, verdict: judgePersist(values, wish, now) }))
  const lacking = judged.flatMap(({ shown, verdict }) =>
    verdict.kind === 'lacking' ? [{ shown, because: verdict.because }] : [],
  )
  const what = `dns-persist-01 of ${sayNames(wish)} for ${new URL(wish.account.url).host}`
  const record = showPersistTxt(name, persistValue(wish))
  const [first] = lacking
  if (first) {
    const all = lacking.length === servers.length
    const at = all ? '' : ` at ${lacking.map(({ shown }) => shown).join(', ')}, unlike the other name servers`
    const message = `${what} fails at TXT ${name}${at}: ${first.because}`
    const others = all ? [] : ['wait until all have it, or mend the transfer of the zone to them']
    return { kind: 'lacking', facts: { message, hints: [...others, sayCure(wish, zone, record)] } }
  }

  const unclear = judged.find(({ verdict }) => verdict.kind === 'unclear')?.verdict
  if (unclear?.kind === 'unclear') {
    const { value, because } = unclear
    const message = `${what} can not be judged from TXT ${name}: ${because}`
    return { kind: 'stands', value, note: { message, hints: [`it should be: ${record}`] } }
  }
  const proofs = judged.flatMap(({ verdict }) => (verdict.kind === 'proves' ? [verdict] : []))
  const value = proofs[0]?.value ?? ''
  const untils = proofs.flatMap(({ until }) => until ?? [])
  const until = new Date(Math.min(...untils.map(Number)))
  if (untils.length === 0 || until.getTime() - now.getTime() > nearMs) return { kind: 'stands', value }
  const left = sayDuration(until.getTime() - now.getTime())
  const message = `${what} ends in ${left}: TXT ${name} says persistUntil ${sayInstant(until.toISOString())}`
  return { kind: 'stands', value, note: { message, hints: [`set it anew, later or without: ${record}`] } }
}

function sayNames({ base, wildcard }: PersistWish): string {
  return wildcard ? `*.${base}` : base
}

function sayCure(wish: PersistWish, zone: string, record: string): string {
  const unknown = wish.issuers.length === 0 ? ' (the documentation of the CA says its CA-DOMAIN)' : ''
  return `set in the zone ${zone}: ${record}${unknown}`
}

/** Why nothing can be said of a record before there is an account for it to name. */
export function refuseWithoutAccount(identifier: string, host: string): ErrorFacts {
  const message = `dns-persist-01 of ${identifier} needs an account at ${host}, which TXT ${persistName(identifier)} must name: there is none yet`
  return { message, hints: ['make it: certs account create', 'then see the record to set: certs check'] }
}
