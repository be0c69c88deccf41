import { createHash, createHmac } from 'node:crypto'

/** One line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
export interface KnownHost {
  /** 1 for the first line. */
  readonly line: number
  readonly marker?: 'revoked' | 'cert-authority'
  /** The first field: comma-separated patterns, or one hashed name. */
  readonly hosts: string
  /** As `ssh-ed25519`; what the key itself says. */
  readonly type: string
  /** RFC 4253 section 6.6 bytes, base64. */
  readonly key: string
}

export interface HostAddress {
  readonly address: string
  readonly port: number
}

export type Verdict =
  | { readonly kind: 'known' }
  | { readonly kind: 'unknown' }
  /** Another key of the same type is known; `fingerprint` and `line` are those of the known one. */
  | { readonly kind: 'changed'; readonly fingerprint: string; readonly line: number }
  | { readonly kind: 'revoked'; readonly line: number }
  /** Only a certificate authority is known for it, and host certificates can't be checked (ssh2 has none). */
  | { readonly kind: 'cert-authority'; readonly line: number }

/** Lines that OpenSSH would skip (malformed, unknown markers) are skipped here. */
export function parseKnownHosts(text: string): KnownHost[] {
  return text.split('\n').flatMap((line, index) => parseLine(line.trim(), index + 1) ?? [])
}

/** Default is deny: `known` only for the very key that stands there, and not when it is revoked. */
export function judge(entries: readonly KnownHost[], host: HostAddress, key: Uint8Array): Verdict {
  const shown = Buffer.from(key).toString('base64')
  const type = hostKeyType(key)
  const here = entriesFor(entries, host)
  const revoked = here.find((entry) => entry.marker === 'revoked' && entry.key === shown)
  if (revoked) return { kind: 'revoked', line: revoked.line }
  const plain = here.filter((entry) => entry.marker === undefined)
  if (plain.some((entry) => entry.key === shown)) return { kind: 'known' }
  const other = plain.find((entry) => entry.type === type)
  if (other) {
    return { kind: 'changed', fingerprint: fingerprint(Buffer.from(other.key, 'base64')), line: other.line }
  }
  const authority = here.find((entry) => entry.marker === 'cert-authority')
  return authority ? { kind: 'cert-authority', line: authority.line } : { kind: 'unknown' }
}

/**
 * Signature algorithms to ask the node for, so that it shows a key of a type that is known for it; all good
 * ones when none is. Never SHA-1: an `ssh-rsa` key signs by rsa-sha2 (RFC 8332).
 */
export function hostKeyAlgorithms(entries: readonly KnownHost[], host: HostAddress): HostKeyAlgorithm[] {
  const types = new Set(entriesFor(entries, host).flatMap((entry) => (entry.marker ? [] : [entry.type])))
  const known = hostKeyTypes.filter((type) => types.has(type))
  return (known.length > 0 ? known : hostKeyTypes).flatMap((type) => algorithmsOf[type])
}

/** The line `certs nodes trust` appends. */
export function trustLine(host: HostAddress, key: Uint8Array): string {
  return `${hostName(host)} ${hostKeyType(key)} ${Buffer.from(key).toString('base64')}`
}

/** As `ssh-keygen -l` prints it: `SHA256:` and unpadded base64. */
export function fingerprint(key: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

/** The type a key says of itself; empty when it is no key. */
export function hostKeyType(key: Uint8Array): string {
  const bytes = Buffer.from(key)
  const length = bytes.length < 4 ? 0 : bytes.readUInt32BE(0)
  return length > 64 || bytes.length < 4 + length ? '' : bytes.toString('latin1', 4, 4 + length)
}

/** The name a host has in known_hosts: its address, and the port where it is not 22. */
export function hostName({ address, port }: HostAddress): string {
  const name = address.toLowerCase()
  return port === 22 ? name : `[${name}]:${port}`
}

export const algorithmsOf = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
} as const

export type HostKeyType = keyof typeof algorithmsOf
export type HostKeyAlgorithm = (typeof algorithmsOf)[HostKeyType][number]
const hostKeyTypes = Object.keys(algorithmsOf) as HostKeyType[]

function parseLine(text: string, line: number): KnownHost | undefined {
  if (text === '' || text.startsWith('#')) return undefined
  const fields = text.split(/[ \t]+/)
  const marker = fields[0]?.startsWith('@') ? fields.shift()!.slice(1) : undefined
  const [hosts, type, key] = fields
  if (hosts === undefined || type === undefined || key === undefined) return undefined
  // A marker that is not understood may forbid something, but its line must never allow anything.
  if (marker !== undefined && marker !== 'revoked' && marker !== 'cert-authority') return undefined
  const bytes = Buffer.from(key, 'base64')
  if (hostKeyType(bytes) !== type) return undefined
  return { line, ...(marker && { marker }), hosts, type, key: bytes.toString('base64') }
}

function entriesFor(entries: readonly KnownHost[], host: HostAddress): KnownHost[] {
  const name = hostName(host)
  return entries.filter((entry) =>
    entry.hosts.startsWith('|') ? isHash(entry.hosts, name) : matches(entry.hosts, name),
  )
}

/** `|1|salt|hash`, hash being HMAC-SHA1 of the name. */
function isHash(field: string, name: string): boolean {
  const [, version, salt, hash] = field.split('|')
  if (version !== '1' || !salt || !hash) return false
  return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash
}

/** One negated pattern that matches rules the whole line out, wherever it stands. */
function matches(field: string, name: string): boolean {
  const patterns = field.toLowerCase().split(',')
  const denied = patterns.some((pattern) => pattern.startsWith('!') && matchesPattern(pattern.slice(1), name))
  return !denied && patterns.some((pattern) => !pattern.startsWith('!') && matchesPattern(pattern, name))
}

/** `*` is any run of characters, `?` any one; brackets are literal. Linear in both lengths' product. */
function matchesPattern(pattern: string, name: string): boolean {
  let [p, n, star, resume] = [0, 0, -1, 0]
  while (n < name.length) {
    if (pattern[p] === '*') [star, resume] = [p++, n]
    else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) [p, n] = [p + 1, n + 1]
    else if (star >= 0) [p, n] = [star + 1, ++resume]
    else return false
  }
  return /^\**$/.test(pattern.slice(p))
}
