import type { KeptKey } from '../core/kept-key.ts'
import type { KeyForm, Store } from '../state/store.ts'
import { type AccountRecord, listAccounts, sayKeyOf } from './account-record.ts'
import type { OrderRecord } from './order-record.ts'

/** A document that keeps private keys, and how they lie in it. */
export interface RecordKeys {
  /** As `orders/media.hachyderm.io`. */
  readonly document: string
  readonly forms: readonly KeyForm[]
}

/** The accounts' and those of orders under way. */
export async function listRecordKeys(store: Store): Promise<RecordKeys[]> {
  const documents = (await Promise.all(['accounts', 'orders'].map((prefix) => store.list(prefix)))).flat()
  const read = documents.map(async (document): Promise<RecordKeys> => {
    const found = await store.get<AccountRecord | OrderRecord>(document)
    const keys = found ? keysOf(found.value) : []
    return { document, forms: keys.map((key) => store.keys.judge(key)) }
  })
  return Promise.all(read)
}

function keysOf(record: AccountRecord | OrderRecord): KeptKey[] {
  return 'next' in record && record.next ? [record.key, record.next.key] : [record.key]
}

/** Opens the keys of our accounts at these CAs. Throws ConfigError or StateError when one can't be. */
export async function openAccountKeys(store: Store, directories: readonly string[]): Promise<void> {
  for (const record of await listAccounts(store)) {
    if (!directories.includes(record.directory)) continue
    for (const key of keysOf(record)) await store.keys.open(key, sayKeyOf(record))
  }
}

/** Writes the document anew with its keys as new ones would be kept. Throws ConfigError or StateError. */
export async function rewriteRecordKeys(store: Store, document: string): Promise<void> {
  const found = await store.get<AccountRecord | OrderRecord>(document)
  if (!found) return
  const { value, revision } = found
  const place = 'certificate' in value ? `the key of the order of ${value.certificate}` : sayKeyOf(value)
  const rewritten = async (key: KeptKey) => store.keys.keep(await store.keys.open(key, place))
  const key = await rewritten(value.key)
  const next = 'next' in value && value.next && { ...value.next, key: await rewritten(value.next.key) }
  await store.put(document, { ...value, key, ...(next && { next }) }, revision)
}
