import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { type KeyType, type Leaf, readLeaf, sha256, splitPem } from './certificate.ts'
import { AcmeError } from './errors.ts'

export interface Wanted {
  /** PKCS#8 PEM of the key that the certificate was ordered for. */
  readonly key: string
  readonly names: readonly string[]
  readonly keyType: KeyType
  readonly now: Date
  /** PEM of the roots that the chain must lead to; absent where the public roots apply. */
  readonly roots?: string | undefined
}

export interface Issued {
  /** One PEM block. */
  readonly leaf: string
  /** PEM blocks from the leaf's issuer upwards, without the root. */
  readonly chain: string
  readonly facts: Leaf
}

const serverAuth = '1.3.6.1.5.5.7.3.1'
const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const maxBytes = 100_000

/**
 * The gate between what a CA returned and everything else: a certificate passes only when it is the one that was
 * ordered, usable now, and its chain builds link by link in the order of RFC 8555 section 9.1. A root at the end
 * is dropped, since nobody needs it sent. Throws RefusedCertificate naming the first thing that is wrong.
 */
export function checkIssued(pem: string, wanted: Wanted): Issued {
  const blocks = blocksOf(pem)
  const [leaf, ...above] = blocks.map(parse)
  if (leaf === undefined) return refuse('it holds no certificate', garbled)
  const facts = factsOf(leaf)
  checkKey(facts, wanted)
  checkNames(facts, wanted.names)
  checkDates(leaf, wanted.now)
  if (leaf.ca) refuse('the first certificate is a CA certificate')
  if (leaf.keyUsage !== undefined && !leaf.keyUsage.includes(serverAuth)) {
    refuse('it is not made for TLS servers (extended key usage without serverAuth)')
  }
  checkLinks([leaf, ...above], wanted.now)

  const last = above.at(-1)
  const intermediates = last !== undefined && isSelfSigned(last) ? above.slice(0, -1) : above
  if (wanted.roots !== undefined) checkAnchor(above.at(-1) ?? leaf, wanted.roots)
  else if (intermediates.length === 0) refuse('it comes without an intermediate certificate')
  return { leaf: leaf.toString(), chain: intermediates.map(String).join(''), facts }
}

/** The issuers' common names along a chain, the topmost last: what a preferred chain is chosen by. */
export function issuersOf(pem: string): string[] {
  return splitPem(pem).map((block) => readLeaf(block).issuer)
}

function blocksOf(pem: string): string[] {
  if (Buffer.byteLength(pem) > maxBytes) refuse(`it is larger than ${maxBytes / 1000} kB`)
  const text = pem.replaceAll('\r\n', '\n')
  const blocks = splitPem(text)
  const around = text.replaceAll(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g, '')
  if (around.trim() !== '') refuse('something else than certificates is in it', garbled)
  if (blocks.length > 10) refuse(`its chain has ${blocks.length} certificates`)
  return blocks
}

/** Of the certificate itself it says nothing, and another order would cost one more of what the CA allows. */
const garbled: Cure = { curable: true, hint: 'the next run downloads it again, by the same order' }

function parse(block: string): X509Certificate {
  try {
    return new X509Certificate(block)
  } catch {
    return refuse('one of its certificates does not parse', garbled)
  }
}

function factsOf(leaf: X509Certificate): Leaf {
  try {
    return readLeaf(leaf.raw)
  } catch {
    return refuse('its key or names are of no known kind')
  }
}

function checkKey(facts: Leaf, { key, keyType }: Wanted): void {
  const ours = createPublicKey(createPrivateKey(key)).export({ type: 'spki', format: 'der' })
  const theirs = facts.spki
  if (theirs !== sha256(ours)) refuse('it is for another key than ours')
  if (facts.keyType !== keyType) refuse(`its key is ${facts.keyType}, ordered was ${keyType}`)
}

function checkNames({ names }: Leaf, ordered: readonly string[]): void {
  const missing = ordered.filter((name) => !names.includes(name))
  const extra = names.filter((name) => !ordered.includes(name))
  if (missing.length > 0) refuse(`it does not cover ${missing.join(', ')}`)
  if (extra.length > 0) refuse(`it covers ${extra.join(', ')}, which was not ordered`)
}

function checkDates({ validFromDate: from, validToDate: to }: X509Certificate, now: Date): void {
  const life = to.getTime() - from.getTime()
  if (from.getTime() > now.getTime() + 5 * minuteMs)
    refuse(`it is valid only from ${from.toISOString()}`, clock)
  if (to <= now) refuse(`it expired at ${to.toISOString()}`)
  if (life < hourMs || life > 400 * dayMs) refuse(`it is valid for ${Math.round(life / hourMs)} hours`)
}

const clock: Cure = { curable: true, hint: 'compare the clock of this machine: date -u' }

function checkLinks(path: readonly X509Certificate[], now: Date): void {
  for (const [index, certificate] of path.entries()) {
    const name = nameOf(certificate)
    if (/sha-?1(?![0-9])|md5/i.test(certificate.signatureAlgorithm ?? '') && !isSelfSigned(certificate)) {
      refuse(`${name} is signed with ${certificate.signatureAlgorithm}`)
    }
    if (index > 0 && !certificate.ca) refuse(`${name} stands in the chain and is no CA certificate`)
    if (index > 0 && certificate.validToDate <= now) {
      refuse(`${name} in its chain expired at ${certificate.validToDate.toISOString()}`)
    }
    const issuer = path[index + 1]
    if (issuer !== undefined && !isIssuedBy(certificate, issuer)) {
      refuse(`its chain is broken: ${nameOf(issuer)} did not issue ${name}`)
    }
  }
}

function checkAnchor(top: X509Certificate, roots: string): void {
  const anchors = splitPem(roots).map(parse)
  const anchored = anchors.some((root) => root.fingerprint256 === top.fingerprint256 || isIssuedBy(top, root))
  if (!anchored) {
    refuse(`its chain ends at ${nameOf(top)}, which no root of acme.caBundle issued`, {
      curable: true,
      hint: 'add the root that this CA issues under to acme.caBundle',
    })
  }
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return isIssuedBy(certificate, certificate)
}

function nameOf(certificate: X509Certificate): string {
  const line = (certificate.subject ?? '').split('\n').find((part) => part.startsWith('CN='))
  return JSON.stringify((line?.slice(3) ?? `serial ${certificate.serialNumber}`).slice(0, 100))
}

function refuse(cause: string, { curable = false, hint }: Cure = {}): never {
  throw new RefusedCertificate(`the certificate that the CA returned can't be used: ${cause}`, {
    curable,
    hint,
  })
}

interface Cure {
  /** The fault is not in the certificate: the same one passes when what is wrong here or on the way is mended. */
  readonly curable?: boolean
  readonly hint?: string | undefined
}

export class RefusedCertificate extends AcmeError {
  readonly curable: boolean

  constructor(message: string, { curable = false, hint }: Cure = {}) {
    super(message, { hint })
    this.curable = curable
  }
}
