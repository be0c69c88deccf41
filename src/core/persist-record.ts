import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'

/**
 * dns-persist-01 (draft-ietf-acme-dns-persist): a TXT record that stays and names the CA and our account proves control
 * of a name, order after order. Revision 02 of the draft puts a hash in place of the account's URL; a CA that follows
 * it says so by the `accountHashPrefix` of its directory.
 */
const persistLabel = '_validation-persist'

/** Who the record must name as the account. */
export interface PersistAccount {
  readonly url: string
  /** SHA-256 of the account key's JWK, base64url (RFC 7638). */
  readonly thumbprint: string
  /** What the CA's hashed account URIs begin with; absent where it wants the URL itself. */
  readonly hashPrefix?: string | undefined
}

/** What a record is to prove, and to whom. */
export interface PersistWish {
  /** The name to prove, without the `*.` of a wildcard. */
  readonly base: string
  readonly wildcard: boolean
  /** The names by which the CA is known, the one to write first; empty where it does not say. */
  readonly issuers: readonly string[]
  readonly account: PersistAccount
}

/** Where the CA looks; a wildcard shares the record with the name itself. */
export function persistName(identifier: string): string {
  return `${persistLabel}.${identifier.replace(/^\*\./, '')}`
}

/** What to set. Placeholders stand for what the CA does not say of itself. */
export function persistValue({ base, wildcard, issuers, account }: PersistWish): string {
  const [uri] = accountUris(account, base)
  return `${issuers[0] ?? 'CA-DOMAIN'}; accounturi=${uri}${wildcard ? '; policy=wildcard' : ''}`
}

/** As it stands in a zone file: strings of 255 bytes at most (RFC 1035 section 3.3). */
export function showPersistTxt(name: string, value: string): string {
  const strings = value.match(/[^]{1,255}/g) ?? ['']
  const quoted = strings.map((text) => `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`)
  return `${name}. 3600 IN TXT ${quoted.join(' ')}`
}

/**
 * The values of `accounturi` that name us, the one to write first. A record may opt out of being bound to its name
 * (section 4.1 of revision 02).
 */
export function accountUris({ url, thumbprint, hashPrefix }: PersistAccount, base: string): string[] {
  if (hashPrefix === undefined) return [url]
  return [base, '*'].map((name) => {
    const text = Buffer.from(`${name}${thumbprint}${url}`, 'latin1')
    const digest = createHash('sha256').update(Uint8Array.of(name.length)).update(text).digest('base64url')
    return `${hashPrefix}sha-256/${digest}`
  })
}
