import { Buffer } from 'node:buffer'
import {
  createCipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  pbkdf2Sync,
  X509Certificate,
} from 'node:crypto'
import type { Asn1 } from './asn1.ts'
import { bmpString, integer, nothing, octets, oid, sequence, set } from './asn1.ts'
import { tagged, taggedOctets, writeDer } from './asn1.ts'
import { filesOf, splitPem } from './certificate.ts'
import type { Version } from './certificate.ts'
import type { Secret } from './secret.ts'

export interface Pkcs12Options {
  readonly password: Secret
  /** What importers show; the certificate's name. */
  readonly friendlyName: string
  readonly random: (bytes: number) => Uint8Array
}

/** Far above OpenSSL's 2048, and below the 600,000 that Windows takes for the three derivations together. */
const iterations = 100_000

const oids = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  hmacSha256: '1.2.840.113549.2.9',
  aes256Cbc: '2.16.840.1.101.3.4.1.42',
  sha256: '2.16.840.1.101.3.4.2.1',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certificateBag: '1.2.840.113549.1.12.10.1.3',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  friendlyName: '1.2.840.113549.1.9.20',
  localKeyId: '1.2.840.113549.1.9.21',
} as const

/**
 * Key, leaf and chain as PKCS#12 (RFC 7292), for any type of key: AES-256 under PBES2 (RFC 8018), sealed by
 * HMAC-SHA-256, as OpenSSL 3 does it. The password must not be empty: importers disagree about what that is.
 */
export function encodePkcs12(version: Version, options: Pkcs12Options): Buffer {
  const { key, leaf, chain } = { ...version, key: filesOf(version).privkey }
  const attributes = set(
    attribute(oids.friendlyName, bmpString(options.friendlyName)),
    attribute(oids.localKeyId, octets(createHash('sha256').update(leaf).digest())),
  )
  const pkcs8 = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' })
  const [algorithm, ciphertext] = encrypt(pkcs8, options)
  const keyBag = bag(oids.shroudedKeyBag, sequence(algorithm, octets(ciphertext)), attributes)
  const certificateBags = [
    bag(oids.certificateBag, certificateOf(leaf), attributes),
    ...splitPem(chain).map((pem) => bag(oids.certificateBag, certificateOf(pem))),
  ]
  const safe = writeDer(
    sequence(encryptedContent(sequence(...certificateBags), options), content(sequence(keyBag))),
  )
  return writeDer(sequence(integer(3), contentOf(safe), seal(safe, options)))
}

function attribute(type: string, value: Asn1): Asn1 {
  return sequence(oid(type), set(value))
}

function bag(type: string, value: Asn1, attributes?: Asn1): Asn1 {
  return sequence(oid(type), tagged(0, value), ...(attributes ? [attributes] : []))
}

function certificateOf(pem: string): Asn1 {
  return sequence(oid(oids.x509Certificate), tagged(0, octets(new X509Certificate(pem).raw)))
}

function content(value: Asn1): Asn1 {
  return contentOf(writeDer(value))
}

function contentOf(bytes: Uint8Array): Asn1 {
  return sequence(oid(oids.data), tagged(0, octets(bytes)))
}

function encryptedContent(value: Asn1, options: Pkcs12Options): Asn1 {
  const [algorithm, ciphertext] = encrypt(writeDer(value), options)
  const inner = sequence(oid(oids.data), algorithm, taggedOctets(0, ciphertext))
  return sequence(oid(oids.encryptedData), tagged(0, sequence(integer(0), inner)))
}

/** PBES2 (RFC 8018 section 6.2): the algorithm with its parameters, and the ciphertext. */
function encrypt(plain: Uint8Array, { password, random }: Pkcs12Options): readonly [Asn1, Buffer] {
  const [salt, iv] = [random(16), random(16)]
  const derived = pbkdf2Sync(password.reveal(), salt, iterations, 32, 'sha256')
  const cipher = createCipheriv('aes-256-cbc', derived, iv)
  const prf = sequence(oid(oids.hmacSha256), nothing())
  const derivation = sequence(oid(oids.pbkdf2), sequence(octets(salt), integer(iterations), prf))
  const encryption = sequence(oid(oids.aes256Cbc), octets(iv))
  const algorithm = sequence(oid(oids.pbes2), sequence(derivation, encryption))
  return [algorithm, Buffer.concat([cipher.update(plain), cipher.final()])]
}

/** MacData over the authenticated safe (RFC 7292 section 5.1). */
function seal(safe: Uint8Array, { password, random }: Pkcs12Options): Asn1 {
  const salt = random(16)
  const mac = createHmac('sha256', deriveMacKey(password, salt)).update(safe).digest()
  const algorithm = sequence(oid(oids.sha256), nothing())
  return sequence(sequence(algorithm, octets(mac)), octets(salt), integer(iterations))
}

/** RFC 7292 appendix B.2 with ID 3 and SHA-256, whose one output block is the whole key. */
function deriveMacKey(password: Secret, salt: Uint8Array): Buffer {
  const blockBytes = 64
  const text = Buffer.from(`${password.reveal()}\0`, 'utf16le').swap16()
  const fill = (bytes: Uint8Array) => Buffer.alloc(Math.ceil(bytes.length / blockBytes) * blockBytes, bytes)
  let derived: Buffer = Buffer.concat([Buffer.alloc(blockBytes, 3), fill(salt), fill(text)])
  for (let round = 0; round < iterations; round++) derived = createHash('sha256').update(derived).digest()
  return derived
}
