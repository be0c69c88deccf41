import { createPublicKey } from 'node:crypto'
import { StateError } from '../core/errors.ts'
import { publicKeyOf } from '../core/kept-key.ts'
import type { Keys } from './store.ts'
import type { Vault } from './vault.ts'

/** Keys in documents. The public half beside a sealed one tells when the sealed one was exchanged for another. */
export function keysIn(vault: Vault): Keys {
  return {
    seals: vault.recipients.length > 0,

    async keep(pem) {
      if (vault.recipients.length === 0) return pem
      const sealed = await vault.seal(pem)
      return { sealed, public: exported(createPublicKey(pem)) }
    },

    async open(kept, place) {
      if (typeof kept === 'string') return kept
      const pem = await vault.open(kept.sealed, place)
      if (exported(createPublicKey(pem)) === exported(publicKeyOf(kept))) return pem
      throw new StateError(`opening ${place} failed: another key is sealed than the one that belongs there`, {
        hint: 'restore the document from a backup',
      })
    },

    prove: () => vault.prove(),

    judge: (kept) => (typeof kept === 'string' ? 'clear' : vault.judge(kept.sealed)),
  }
}

function exported(key: ReturnType<typeof createPublicKey>): string {
  return key.export({ type: 'spki', format: 'pem' }).toString()
}
