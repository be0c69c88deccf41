import type { Suggestion } from '../core/ari.ts'
import { sha256 } from '../core/certificate.ts'
import { CertsError } from '../core/errors.ts'
import type { Store } from '../state/store.ts'

/** What is known of the CA itself. Instants are ISO 8601. */
export interface KnownCa {
  readonly directory: string
  /** Where it is asked; absent where it offers no renewal information. */
  readonly url?: string | undefined
  /** The directory is not read again before. */
  readonly directoryAt?: string | undefined
  /** It did not answer: nothing is asked of it before. */
  readonly downUntil?: string | undefined
}

/** What it said of the leaf with this fingerprint. */
export interface KnownLeaf {
  readonly fingerprint: string
  /** Not asked again before. */
  readonly nextAt: string
  /** Another CA issued it: nothing was asked. */
  readonly elsewhere?: boolean | undefined
  readonly suggestion?: Suggestion | undefined
}

/**
 * What one CA said about when to renew: the document `ari/<directory>`. One for all certificates, so that ten thousand
 * of them cost one read and one write.
 */
export interface RenewalSheet {
  /** Before anything else is asked; a document that can't be read counts as none. */
  load(): Promise<void>
  ca: KnownCa
  get(certificate: string): KnownLeaf | undefined
  set(certificate: string, known: KnownLeaf): void
  /** Written when something has changed. What can't be written is asked for again by another run. */
  keep(): Promise<void>
}

type Written = KnownCa & { readonly leaves: Readonly<Record<string, KnownLeaf>> }

export function openRenewalSheet(store: Store, directory: string): RenewalSheet {
  const key = keyOf(directory)
  const leaves = new Map<string, KnownLeaf>()
  let ca: KnownCa = { directory }
  let revision: string | undefined
  let changed = false
  let loading: Promise<void> | undefined

  const load = async (): Promise<void> => {
    const found = await store.get<Written>(key).catch(() => undefined)
    if (!found) return
    const { leaves: known, ...rest } = found.value
    for (const [name, one] of Object.entries(known)) leaves.set(name, one)
    ca = rest
    revision = found.revision
  }

  return {
    load: () => (loading ??= load()),
    get ca() {
      return ca
    },
    set ca(known) {
      ca = known
      changed = true
    },
    get: (certificate) => leaves.get(certificate),
    set(certificate, known) {
      leaves.set(certificate, known)
      changed = true
    },
    async keep() {
      if (!changed) return
      changed = false
      const written: Written = { ...ca, leaves: Object.fromEntries(leaves) }
      try {
        revision = await store.put(key, written, revision)
      } catch (error) {
        if (!(error instanceof CertsError)) throw error
      }
    },
  }
}

/** Readable by a person, and distinct where directories are. */
function keyOf(directory: string): string {
  const host = new URL(directory).hostname.replaceAll(/[^a-z0-9.-]|\.\.+|^[^a-z0-9]/g, '_')
  return `ari/${host}-${sha256(directory).slice(0, 12)}`
}
