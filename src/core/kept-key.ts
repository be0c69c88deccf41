import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { sha256 } from './certificate.ts'

/** A private key as a document keeps it: PKCS#8 PEM, or sealed, with its public half as SPKI PEM beside it. */
export type KeptKey = string | { readonly sealed: string; readonly public: string }

/** Needs no identity. Throws node:crypto's error when what is kept is damaged. */
export function publicKeyOf(kept: KeptKey): KeyObject {
  return createPublicKey(typeof kept === 'string' ? kept : kept.public)
}

/** SHA-256 of the subjectPublicKeyInfo, as `Leaf.spki`. */
export function spkiOf(kept: KeptKey): string {
  return sha256(publicKeyOf(kept).export({ type: 'spki', format: 'der' }))
}
