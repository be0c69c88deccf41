import { readLeaf } from './core/certificate.ts'
import type { PublicVersion } from './core/certificate.ts'
import { StateError } from './core/errors.ts'
import { spkiOf as spkiOfKey } from './core/kept-key.ts'
import type { KeptKey } from './core/kept-key.ts'
import type { BlockedKey, ReplacementAsked, Withdrawal } from './core/withdrawal.ts'
import type { Store } from './state/store.ts'

/** What persons withdrew: keys that are blocked for ever, and versions that are to be replaced. */
export interface Withdrawals {
  /** Read once for all certificates. */
  recall(): Promise<(certificate: string) => Withdrawal>
  /** Written once; a key that is blocked stays so. Resolves to what is on record. */
  block(version: PublicVersion, key: BlockedKey): Promise<BlockedKey>
  revoked(version: PublicVersion, at: string): Promise<void>
  ask(certificate: string, asked: ReplacementAsked): Promise<void>
  /** The certificate has a new version: nothing is asked for any more. */
  settle(certificate: string): Promise<void>
  /** Throws StateError when an order under way is for a blocked key. */
  refuseOrder(certificate: string): Promise<void>
}

export function openWithdrawals(store: Store): Withdrawals {
  const keyOf = (spki: string) => `blocked-keys/${spki}`
  const spkiOf = ({ leaf }: PublicVersion) => readLeaf(leaf).spki

  return {
    async recall() {
      const read = async <T>(prefix: string): Promise<ReadonlyMap<string, T>> => {
        const found = (await store.list(prefix)).map(async (key) => {
          const document = await store.get<T>(key)
          return document ? [[key.slice(prefix.length + 1), document.value] as const] : []
        })
        return new Map((await Promise.all(found)).flat())
      }
      const [blocked, asked] = await Promise.all([
        read<BlockedKey>('blocked-keys'),
        read<ReplacementAsked>('replacements'),
      ])
      return (certificate) => ({ blocked, asked: asked.get(certificate) })
    },

    async block(version, key) {
      const place = keyOf(spkiOf(version))
      const found = await store.get<BlockedKey>(place)
      if (found) return found.value
      await store.put(place, key, undefined)
      return key
    },

    async revoked(version, at) {
      const place = keyOf(spkiOf(version))
      const found = await store.get<BlockedKey>(place)
      if (found) await store.put(place, { ...found.value, revokedAt: at }, found.revision)
    },

    async ask(certificate, asked) {
      const place = `replacements/${certificate}`
      const found = await store.get<ReplacementAsked>(place)
      await store.put(place, asked, found?.revision)
    },

    settle: (certificate) => store.remove(`replacements/${certificate}`),

    async refuseOrder(certificate) {
      const order = await store.get<{ readonly key: KeptKey }>(`orders/${certificate}`)
      if (!order) return
      if (!(await store.get(keyOf(spkiOfKey(order.value.key))))) return
      throw new StateError(
        `issuing ${certificate} failed: the order under way is for a key that is blocked`,
        {
          hint: `take the document orders/${certificate} out of ${store.place}, then run again for a new key`,
        },
      )
    },
  }
}
