import type { KeptKey } from '../../src/core/kept-key.ts'

/** The PEM of a key that a test left unsealed. */
export function clearKey(kept: KeptKey): string {
  if (typeof kept !== 'string') throw new Error('this key is sealed')
  return kept
}
