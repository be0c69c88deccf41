import { createPrivateKey, sign, verify, X509Certificate } from 'node:crypto'
import { StateError } from '../core/errors.ts'
import { quote } from './failure.ts'

/**
 * Proved by a signature: a damaged EC key can still carry the public key that belongs to the leaf, and
 * comparing public keys would miss it.
 */
export function refuseForeignKey(key: string, leaf: string, paths: { key: string; leaf: string }): void {
  const text = Buffer.from('certs')
  let belongs = false
  try {
    const signature = sign('sha256', text, createPrivateKey(key))
    belongs = verify('sha256', text, new X509Certificate(leaf).publicKey, signature)
  } catch {
    // Not a key, or not a certificate: it does not belong either.
  }
  if (!belongs) throw differs(paths.key, paths.leaf)
}

export function differs(path: string, other: string): StateError {
  return new StateError(`reading ${path} failed: it does not belong to ${other}`, {
    hint: [
      `restore both from a backup: ls -l ${quote(path)} ${quote(other)}`,
      'or issue a new version; this one is never installed',
    ],
  })
}
