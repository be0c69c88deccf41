import { readIssueValue } from './issue-value.ts'

/** Certification Authority Authorization: who may issue for a name (RFC 8659), by which account and how (RFC 8657). */
export interface CaaRecord {
  /** A CA that does not understand the tag must not issue. */
  readonly critical: boolean
  /** Lower case. */
  readonly tag: string
  readonly value: string
}

/** The records that count for a name: its own, or those of the closest name above it that has any. */
export interface CaaSet {
  /** Where they stand; empty `records` are of no name. */
  readonly owner: string
  readonly records: readonly CaaRecord[]
}

/** Who would issue, and how. */
export interface Issuer {
  /** The names by which the CA is authorized (`caaIdentities` of its directory); empty where it does not say. */
  readonly identities: readonly string[]
  /** URL of our account; undefined before there is one. */
  readonly account: string | undefined
  /** How control is proved: by any of these; by dns-01 where none is said. */
  readonly methods?: readonly string[]
}

export type CaaVerdict =
  /** `by` is absent where nothing restricts the name. */
  | { readonly kind: 'allowed'; readonly by?: CaaRecord }
  | { readonly kind: 'forbidden'; readonly by: readonly CaaRecord[]; readonly because: string }
  /** The CA does not say under which names it looks for itself. */
  | { readonly kind: 'unclear'; readonly by: readonly CaaRecord[]; readonly because: string }

const usualMethods: readonly string[] = ['dns-01']

/** Known to CAs, so that a critical flag on them forbids nothing (RFC 8659, RFC 9495, CA/B Forum's contacts). */
const knownTags = ['issue', 'issuewild', 'iodef', 'issuemail', 'contactemail', 'contactphone']

/** RDATA (RFC 8659 section 4.1). Undefined when it is malformed. */
export function readCaa(data: Uint8Array): CaaRecord | undefined {
  const [flags = 0, length = 0] = data
  const text = (from: number, to?: number): string => String.fromCharCode(...data.subarray(from, to))
  const tag = text(2, 2 + length).toLowerCase()
  if (data.length < 2 + length || !/^[a-z0-9]+$/.test(tag)) return undefined
  return { critical: (flags & 0x80) !== 0, tag, value: text(2 + length) }
}

/** As it stands in a zone file. */
export function showCaa(owner: string, { critical, tag, value }: CaaRecord): string {
  const quoted = value.replaceAll(/["\\]/g, String.raw`\$&`).replaceAll(/[^ -~]/g, escapeByte)
  return `${owner}. IN CAA ${critical ? 128 : 0} ${tag} "${quoted}"`
}

function escapeByte(character: string): string {
  return `\\${String(character.charCodeAt(0)).padStart(3, '0')}`
}

/** The record that lets this account issue by its methods, and nobody else. */
export function lockingRecord({ identities, account, methods = usualMethods }: Issuer): CaaRecord {
  const parameters =
    account === undefined ? [] : [`accounturi=${account}`, `validationmethods=${methods.join(',')}`]
  return { critical: false, tag: 'issue', value: [identities[0] ?? '', ...parameters].join('; ') }
}

/**
 * What a CA decides for an identifier. `issuewild` records, where there are any, count instead of `issue` for a
 * wildcard; without a record of the tag that counts, nothing is restricted (RFC 8659 section 4.2 and 4.3).
 */
export function judgeCaa(identifier: string, { records }: CaaSet, issuer: Issuer): CaaVerdict {
  const foreign = records.find(({ critical, tag }) => critical && !knownTags.includes(tag))
  if (foreign) {
    return { kind: 'forbidden', by: [foreign], because: `its critical tag ${foreign.tag} is unknown to CAs` }
  }

  const tagged = (tag: string) => records.filter((record) => record.tag === tag)
  const wild = identifier.startsWith('*.') ? tagged('issuewild') : []
  const counting = wild.length > 0 ? wild : tagged('issue')
  if (counting.length === 0) return { kind: 'allowed' }

  const judged = counting.map((record) => ({ record, obstacle: obstacleIn(record.value, issuer) }))
  const by = judged.find(({ obstacle }) => obstacle === undefined)?.record
  if (by && issuer.identities.length > 0) return { kind: 'allowed', by }
  if (by)
    return { kind: 'unclear', by: counting, because: 'the CA does not say which CAA identities are its own' }
  // What is said of this very CA is more to the point than that other CAs are others.
  const obstacles = judged.flatMap(({ obstacle }) => obstacle ?? [])
  const { said } = obstacles.find(({ ours }) => ours) ?? obstacles[0]!
  return { kind: 'forbidden', by: counting, because: said }
}

interface Obstacle {
  readonly ours: boolean
  readonly said: string
}

/** Why this record does not authorize us. */
function obstacleIn(
  value: string,
  { identities, account, methods = usualMethods }: Issuer,
): Obstacle | undefined {
  const property = readIssueValue(value)
  if (!property) return { ours: false, said: 'its value is malformed, which authorizes nobody' }
  const { domain, parameters } = property
  if (domain === '') return { ours: false, said: 'it lets nobody issue' }
  const known = identities.length > 0
  if (known && !identities.some((identity) => identity.toLowerCase() === domain)) {
    return { ours: false, said: `it lets only ${domain} issue, and this CA is ${identities.join(' or ')}` }
  }
  const accounts = parameters.flatMap(([name, text]) => (name === 'accounturi' ? text : []))
  if (accounts.length > 1) return { ours: known, said: 'it names several accounts, which authorizes none' }
  if (accounts.length === 1 && accounts[0] !== account) {
    const ours = account === undefined ? 'there is none here yet' : `ours is ${account}`
    return { ours: known, said: `it lets only the account ${accounts[0]} issue, and ${ours}` }
  }
  const lists = parameters.flatMap(([name, text]) => (name === 'validationmethods' ? [text.split(',')] : []))
  const missing = methods.find((method) => lists.some((list) => !list.includes(method)))
  if (missing !== undefined) {
    const allowed = lists.flat().filter((one) => one !== '')
    const said = allowed.length === 0 ? 'by no method' : `only by ${allowed.join(', ')}`
    return { ours: known, said: `it allows validation ${said}, not by ${missing}` }
  }
  return undefined
}
