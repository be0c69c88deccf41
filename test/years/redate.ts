import { createPrivateKey, sign, X509Certificate } from 'node:crypto'
import { partsOf, readDer, sequence, writeDer } from '../../src/core/asn1.ts'
import { splitPem } from '../../src/core/certificate.ts'

/**
 * A chain whose leaf has its validity moved by so many milliseconds, and is signed again with the key of the CA that
 * signed it, with SHA-256 as before: everything else in it, serial and key identifiers included, stays as it is. It must
 * end before 2050.
 */
export function redate(chain: string, byMs: number, issuerKey: string): string {
  const [leaf = '', ...issuers] = splitPem(chain)
  const { raw, validFromDate, validToDate } = new X509Certificate(leaf)
  const [signed, algorithm] = partsOf(readDer(raw))
  // [0] version, serialNumber, signature, issuer, validity (RFC 5280 section 4.1)
  const [, , , , validity] = partsOf(signed!)
  const [notBefore, notAfter] = partsOf(validity!)
  notBefore!.value = utcTime(validFromDate.getTime() + byMs)
  notAfter!.value = utcTime(validToDate.getTime() + byMs)
  const signature = sign('sha256', writeDer(signed!), createPrivateKey(issuerKey))
  // A BIT STRING without unused bits.
  const length = signature.length + 1
  const bits = readDer(Buffer.concat([Buffer.of(0x03, 0x82, length >> 8, length & 0xff, 0), signature]))
  return [pem(writeDer(sequence(signed!, algorithm!, bits))), ...issuers].join('')
}

/** `YYMMDDHHMMSSZ`. */
function utcTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(2, 19).replaceAll(/[-:T]/g, '')}Z`
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}
