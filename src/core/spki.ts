/** DER tags (X.690 section 8.1.2). */
const sequence = 0x30
const explicitVersion = 0xa0

/**
 * The subjectPublicKeyInfo's bytes, cut out of a certificate's DER (RFC 5280 section 4.1). For certificates that
 * node:crypto has read already: it takes 0.1 ms to export the same bytes, which matters for ten thousand of them.
 */
export function cutSpki(der: Buffer): Buffer {
  const certificate = elementAt(der, 0, sequence)
  let at = elementAt(der, certificate.content, sequence).content
  if (der[at] === explicitVersion) at = elementAt(der, at, explicitVersion).end
  // serialNumber, signature, issuer, validity, subject
  for (let field = 0; field < 5; field++) at = elementAt(der, at, der[at]).end
  return der.subarray(at, elementAt(der, at, sequence).end)
}

function elementAt(der: Buffer, at: number, tag: number | undefined): { content: number; end: number } {
  const first = der[at + 1]
  if (tag === undefined || der[at] !== tag || first === undefined)
    throw new TypeError('not a certificate in DER')
  const bytes = first < 0x80 ? 0 : first & 0x7f
  const length = bytes === 0 ? first : der.readUIntBE(at + 2, bytes)
  const content = at + 2 + bytes
  return { content, end: content + length }
}
