import { X509Certificate } from 'node:crypto'
import { bytesOf, isTagged, oid, partsOf, readDer } from './asn1.ts'
import type { Asn1 } from './asn1.ts'

const authorityKeyIdentifier = '2.5.29.35'

/**
 * How ACME names a certificate (RFC 9773 section 4.1): the authority key identifier and the serial number's DER bytes,
 * a leading 00 kept. Undefined for a certificate without the former. Takes PEM; throws for what is no certificate.
 */
export function certificateId(pem: string): string | undefined {
  const tbs = partsOf(partsOf(readDer(new X509Certificate(pem).raw))[0]!)
  // [0] version, serialNumber (RFC 5280 section 4.1); before version 3 there are no extensions.
  const [, serial] = tbs
  const keyId = keyIdentifierOf(tbs)
  return serial && keyId && `${keyId.toString('base64url')}.${bytesOf(serial).toString('base64url')}`
}

/** Extensions are `[3] { { { OID, critical?, OCTET STRING } } }`; the identifier is `[0]` inside its octets. */
function keyIdentifierOf(tbs: readonly Asn1[]): Buffer | undefined {
  const wanted = bytesOf(oid(authorityKeyIdentifier))
  const extensions = tbs.find((part) => isTagged(part, 3))
  const found =
    extensions && partsOf(partsOf(extensions)[0]!).find((one) => bytesOf(partsOf(one)[0]!).equals(wanted))
  const octets = found && partsOf(found).at(-1)
  const keyId = octets && partsOf(readDer(bytesOf(octets))).find((part) => isTagged(part, 0))
  return keyId && bytesOf(keyId)
}
