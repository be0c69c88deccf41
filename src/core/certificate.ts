import { hash, X509Certificate } from 'node:crypto'
import type { Secret } from './secret.ts'
import { cutSpki } from './spki.ts'

export const keyTypes = ['ecdsa-p256', 'ecdsa-p384', 'rsa-2048', 'rsa-3072', 'rsa-4096'] as const
export type KeyType = (typeof keyTypes)[number]

/** How control of a name is proved to the CA (RFC 8555 section 8.4, draft-ietf-acme-dns-persist). */
export const challengeMethods = ['dns-01', 'dns-persist-01'] as const
export type ChallengeMethod = (typeof challengeMethods)[number]

/** A URL that is fetched through every node after a reload. */
export interface Probe {
  readonly url: string
  readonly status: number
  /** Prefix of the Content-Type header, as `image/`. */
  readonly contentType?: string | undefined
}

/** The configured thing: what should be. */
export interface Certificate {
  readonly name: string
  /** DNS names in lower-case ASCII, wildcards as `*.example.com`; at least one. */
  readonly names: readonly string[]
  readonly challenge: ChallengeMethod
  /** Key into the configuration's `dns`; absent where nothing is written to DNS. */
  readonly dns?: string | undefined
  /** Node names; groups are already resolved. */
  readonly nodes: readonly string[]
  /** Names of those of its nodes' services that read it; undefined: all of them. */
  readonly services?: readonly string[] | undefined
  readonly key: KeyType
  /** The names asked for in handshakes; a wildcard is asked for with a label of ours. */
  readonly verifyNames: readonly string[]
  readonly probes: readonly Probe[]
}

/** One issued instance. `number` is the N of `archive/NAME/privkeyN.pem`. */
export interface Version extends PublicParts {
  /** PKCS#8 PEM. */
  readonly key: Secret
}

/** What anybody may know of a version. */
export interface PublicVersion extends PublicParts {
  /** Of the files with the key in them; lacking what nobody wrote down beside the sealed key. */
  readonly secretSums?: Partial<SecretSums>
}

/** SHA-256 of the files that hold a version's key, as nodes hold them. */
export type SecretSums = Readonly<Record<'privkey' | 'combined', string>>

interface PublicParts {
  readonly certificate: string
  readonly number: number
  /** One PEM block. */
  readonly leaf: string
  /** PEM blocks from the leaf's issuer upwards; never empty in practice, the root is not included. */
  readonly chain: string
}

/** Facts read from one X.509 certificate. Instants are ISO 8601 in UTC, so that they survive JSON. */
export interface Leaf {
  /** SHA-256 of the DER bytes, lower-case hex. */
  readonly fingerprint: string
  /** Serial number, upper-case hex as node:crypto prints it. */
  readonly serial: string
  /** DNS names of the subjectAltName extension, lower case, sorted. */
  readonly names: readonly string[]
  readonly issuer: string
  readonly notBefore: string
  readonly notAfter: string
  readonly keyType: KeyType | 'other'
  /** SHA-256 of the subjectPublicKeyInfo's DER bytes, lower-case hex. */
  readonly spki: string
}

export const fileKinds = ['privkey', 'cert', 'chain', 'fullchain'] as const
/** The four files of a version, in certbot's names. */
export type FileKind = (typeof fileKinds)[number]

/** With `combined`: fullchain and key in one file, as haproxy reads it. */
export const archiveKinds = [...fileKinds, 'combined'] as const
export type ArchiveKind = (typeof archiveKinds)[number]

/** The bytes of the four files. Every PEM ends in exactly one newline; fullchain is leaf + chain. */
export function filesOf(version: Version): Record<FileKind, string> {
  return { privkey: normalizePem(version.key.reveal()), ...publicFilesOf(version) }
}

export function publicFilesOf(version: PublicParts): Record<Exclude<FileKind, 'privkey'>, string> {
  const leaf = normalizePem(version.leaf)
  const chain = normalizePem(version.chain)
  return { cert: leaf, chain, fullchain: leaf + chain }
}

/** The bytes of the fifth file, made of two of them. */
export function combinedOf({ fullchain, privkey }: SecretFiles): string {
  return fullchain + privkey
}

type SecretFiles = Readonly<Record<'fullchain' | 'privkey', string>>

export function secretSumsOf(files: SecretFiles): SecretSums {
  return { privkey: sha256(files.privkey), combined: sha256(combinedOf(files)) }
}

/** Reads one PEM or DER certificate. Throws node:crypto's error when it is none. */
export function readLeaf(certificate: string | Uint8Array): Leaf {
  const x509 = new X509Certificate(certificate)
  const spki = cutSpki(x509.raw)
  return {
    fingerprint: sha256(x509.raw),
    serial: x509.serialNumber,
    names: dnsNames(x509.subjectAltName),
    issuer: commonName(x509.issuer),
    notBefore: x509.validFromDate.toISOString(),
    notAfter: x509.validToDate.toISOString(),
    keyType: keyTypeOf(x509, spki),
    spki: sha256(spki),
  }
}

/** PEM certificate blocks in the order they stand; text around them is dropped. */
export function splitPem(text: string): string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []
  return blocks.map(normalizePem)
}

export function sha256(bytes: string | Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}

export function normalizePem(pem: string): string {
  const text = pem.replaceAll('\r\n', '\n').trim()
  return text === '' ? '' : `${text}\n`
}

function dnsNames(subjectAltName: string | undefined): string[] {
  // node:crypto quotes entries that hold a comma; a DNS name never does.
  const entries = (subjectAltName ?? '').split(', ')
  const names = entries
    .filter((entry) => entry.startsWith('DNS:'))
    .map((entry) => entry.slice(4).toLowerCase())
  return [...new Set(names)].toSorted()
}

function commonName(distinguishedName = ''): string {
  const line = distinguishedName.split('\n').find((part) => part.startsWith('CN='))
  return line?.slice(3) ?? distinguishedName.replaceAll('\n', ', ')
}

/** How the subjectPublicKeyInfo of an uncompressed point begins (RFC 5480), so that the key need not be decoded. */
const curves: Readonly<Record<string, KeyType>> = {
  '3059301306072a8648ce3d020106082a8648ce3d030107034200': 'ecdsa-p256',
  '3076301006072a8648ce3d020106052b81040022036200': 'ecdsa-p384',
}

function keyTypeOf(x509: X509Certificate, spki: Buffer): KeyType | 'other' {
  const start = spki.toString('hex', 0, 26)
  const curve = Object.keys(curves).find((known) => start.startsWith(known))
  if (curve) return curves[curve]!
  const { asymmetricKeyType, asymmetricKeyDetails: details } = x509.publicKey
  if (asymmetricKeyType === 'ec' && details?.namedCurve === 'prime256v1') return 'ecdsa-p256'
  if (asymmetricKeyType === 'ec' && details?.namedCurve === 'secp384r1') return 'ecdsa-p384'
  const rsa = `rsa-${details?.modulusLength}`
  return asymmetricKeyType === 'rsa' && isKeyType(rsa) ? rsa : 'other'
}

function isKeyType(text: string): text is KeyType {
  return (keyTypes as readonly string[]).includes(text)
}
