import { accountUris } from './persist-record.ts'
import type { PersistWish } from './persist-record.ts'
import { readIssueValue } from './issue-value.ts'
import { printableLine } from './printable.ts'

export type PersistVerdict =
  /** `until` is absent where it holds for ever. */
  | { readonly kind: 'proves'; readonly value: string; readonly until?: Date }
  /** Whether the CA takes it can't be told from here. */
  | { readonly kind: 'unclear'; readonly value: string; readonly because: string }
  | { readonly kind: 'lacking'; readonly because: string }

/** What a CA would decide from the TXT values that stand at the name. They are anybody's text. */
export function judgePersist(values: readonly string[], wish: PersistWish, now: Date): PersistVerdict {
  const judged = values.map((value) => judgeValue(value, wish, now))
  for (const kind of ['proves', 'unclear', 'lacking']) {
    const found = judged.find((one) => one.kind === kind)
    if (found && found.kind !== 'foreign') return found
  }
  if (values.length === 0) return { kind: 'lacking', because: 'no TXT record stands there' }
  const { issuers } = wish
  const whom = issuers.length > 0 ? issuers.join(' or ') : 'our account'
  return { kind: 'lacking', because: `no TXT record there is for ${whom}` }
}

type Judged = PersistVerdict | { readonly kind: 'foreign' }

function judgeValue(value: string, { issuers, wildcard, account, base }: PersistWish, now: Date): Judged {
  const lacking = (because: string): PersistVerdict => ({ kind: 'lacking', because })
  const issuer = value.split(';', 1)[0]!.trim()
  const known = issuers.length > 0
  if (known && !issuers.includes(issuer.toLowerCase())) return { kind: 'foreign' }
  const read = readIssueValue(value)
  if (known && issuer !== issuer.toLowerCase()) return lacking(`it writes ${issuer} in upper case`)
  // A CA that has not said its name can't be told from a TXT record of another kind.
  if (!read || read.domain === '')
    return known ? lacking('its parameters are malformed') : { kind: 'foreign' }
  if (value.trim().endsWith(';'))
    return lacking('it ends in a semicolon, which CAs take for a missing parameter')
  const all = (tag: string) => read.parameters.flatMap(([name, text]) => (name === tag ? [text] : []))
  const twice = ['accounturi', 'policy', 'persistuntil'].find((tag) => all(tag).length > 1)
  if (twice !== undefined) return lacking(`it says ${twice} twice`)

  const [uri = ''] = all('accounturi')
  const accepted = accountUris(account, base)
  if (uri === '') return known ? lacking('it names no account (accounturi)') : { kind: 'foreign' }
  const ours = accepted.includes(uri)
  const hashed = account.hashPrefix !== undefined && uri.startsWith(account.hashPrefix)
  if (!ours && !hashed)
    return known ? lacking(`it names another account: ${printableLine(uri)}`) : { kind: 'foreign' }
  if (wildcard && all('policy')[0]?.toLowerCase() !== 'wildcard') {
    return lacking(`it lacks policy=wildcard, so it does not prove *.${base}`)
  }
  const [limit] = all('persistuntil')
  const until = limit === undefined ? undefined : instantOf(limit)
  if (until === 'malformed')
    return lacking(`its persistUntil is no number of seconds: ${printableLine(limit ?? '')}`)
  if (until && until <= now) return lacking(`its persistUntil has passed: ${until.toISOString()}`)
  if (!ours) {
    return { kind: 'unclear', value, because: 'it names an account by a hash that is not of its present key' }
  }
  if (!known) return { kind: 'unclear', value, because: 'the CA does not say by which names it is known' }
  return { kind: 'proves', value, ...(until && { until }) }
}

/** The last instant that a Date can hold stands for what is later. */
function instantOf(seconds: string): Date | 'malformed' {
  if (!/^-?\d{1,18}$/.test(seconds)) return 'malformed'
  return new Date(Math.max(-8.64e15, Math.min(8.64e15, Number(seconds) * 1000)))
}
