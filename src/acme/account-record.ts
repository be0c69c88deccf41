import type { AcmeSettings } from '../core/acme.ts'
import { sha256 } from '../core/certificate.ts'
import type { KeptKey } from '../core/kept-key.ts'
import type { Store } from '../state/store.ts'

/**
 * One account for each directory and external binding, for ever: a contact that differs from the configuration's
 * does not make another one.
 */
export interface AccountRecord {
  readonly directory: string
  /** The external binding's key identifier. */
  readonly kid?: string | undefined
  /** Stored before the CA hears of it. */
  readonly key: KeptKey
  /** Absent until the CA has answered. */
  readonly url?: string | undefined
  /** There while a rotation is not over: nobody knows yet which of both keys the CA takes. */
  readonly next?: NextKey | undefined
}

export interface NextKey {
  /** Stored before the CA hears of it. */
  readonly key: KeptKey
  /** When the CA was last asked to take it, or was about to be; ISO 8601. */
  readonly at: string
}

export interface AccountFile {
  readonly value: AccountRecord | undefined
  save(record: AccountRecord): Promise<void>
}

export async function openAccountFile(store: Store, settings: AcmeSettings): Promise<AccountFile> {
  const document = documentOf(settings)
  const found = await store.get<AccountRecord>(document)
  let { value, revision } = { value: found?.value, revision: found?.revision }
  return {
    get value() {
      return value
    },
    save: async (record) => {
      revision = await store.put(document, record, revision)
      value = record
    },
  }
}

/** For messages. */
export function sayKeyOf({ directory }: Pick<AccountRecord, 'directory'>): string {
  return `the key of the account at ${new URL(directory).host}`
}

/** Every account that there is a record of, whether or not the configuration names its CA. */
export async function listAccounts(store: Store): Promise<AccountRecord[]> {
  const found = (await store.list('accounts')).map((document) => store.get<AccountRecord>(document))
  return (await Promise.all(found)).flatMap((document) => document?.value ?? [])
}

/** Readable by a person, and distinct where directory or binding are. */
function documentOf({ directory, eab }: AcmeSettings): string {
  const host = new URL(directory).hostname.replaceAll(/[^a-z0-9.-]|\.\.+/g, '_')
  return `accounts/${host.replace(/^[^a-z0-9]/, '_')}-${sha256(`${directory}\n${eab?.kid ?? ''}`).slice(0, 12)}`
}

const turns = new WeakMap<Store, Promise<unknown>>()

/** Certificates that are issued at the same time must not register two accounts. */
export async function inTurn<T>(store: Store, act: () => Promise<T>): Promise<T> {
  const before = turns.get(store) ?? Promise.resolve()
  const mine = before.then(act, act)
  turns.set(store, mine)
  return mine
}
