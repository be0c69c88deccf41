import { createHash, generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import type { KeyType } from '../core/certificate.ts'
import { publicKeyOf } from '../core/kept-key.ts'
import type { KeptKey } from '../core/kept-key.ts'

const generate = promisify(generateKeyPair)

/** A new private key, as PKCS#8 PEM. */
export async function generateKey(type: KeyType): Promise<string> {
  const { privateKey } = await pairOf(type)
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** SHA-256 of the public key as a JWK, base64url (RFC 7638), by which a key may be told from others in public. */
export function thumbprintOf(key: KeptKey): string {
  const { kty, crv, x, y, e, n } = publicKeyOf(key).export({ format: 'jwk' })
  // The required members alone, in alphabetical order, as section 3 wants them.
  const members = kty === 'RSA' ? { e, kty, n } : { crv, kty, x, y }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}

function pairOf(type: KeyType): ReturnType<typeof rsa> {
  switch (type) {
    case 'ecdsa-p256':
      return generate('ec', { namedCurve: 'P-256' })
    case 'ecdsa-p384':
      return generate('ec', { namedCurve: 'P-384' })
    case 'rsa-2048':
      return rsa(2048)
    case 'rsa-3072':
      return rsa(3072)
    case 'rsa-4096':
      return rsa(4096)
  }
}

function rsa(modulusLength: number) {
  return generate('rsa', { modulusLength })
}
