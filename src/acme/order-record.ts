import { readLeaf } from '../core/certificate.ts'
import type { KeyType } from '../core/certificate.ts'
import { spkiOf } from '../core/kept-key.ts'
import type { KeptKey } from '../core/kept-key.ts'
import type { PlacedRecord } from '../dns/solver.ts'
import type { Store } from '../state/store.ts'

/**
 * An order under way, so that a run killed anywhere is taken up where it stands. Written before each act with an
 * outside effect, and removed when the version is stored and the TXT records are gone.
 */
export interface OrderRecord {
  readonly certificate: string
  readonly directory: string
  readonly profile?: string | undefined
  /** Sorted. */
  readonly names: readonly string[]
  readonly keyType: KeyType
  /** Stored before the CA hears of the order. */
  readonly key: KeptKey
  /** The version's number, as of the last run. */
  readonly number: number
  /** Absent until newOrder was answered, and after the order has died. */
  readonly orderUrl?: string | undefined
  /** Set before finalize is sent: from then on there may be a certificate. */
  readonly finalizing?: boolean | undefined
  /** TXT records that are or may be in DNS for this order. */
  readonly records: readonly PlacedRecord[]
}

export interface OrderFile {
  readonly value: OrderRecord | undefined
  save(record: OrderRecord): Promise<void>
  /** Changes the record that is there. */
  update(change: Partial<OrderRecord>): Promise<void>
  remove(): Promise<void>
}

export async function openOrderFile(store: Store, certificate: string): Promise<OrderFile> {
  const key = `orders/${certificate}`
  const found = await store.get<OrderRecord>(key)
  let { value, revision } = { value: found?.value, revision: found?.revision }
  const save = async (record: OrderRecord): Promise<void> => {
    revision = await store.put(key, record, revision)
    value = record
  }
  return {
    get value() {
      return value
    },
    save,
    update: async (change) => {
      if (value !== undefined) await save({ ...value, ...change })
    },
    remove: async () => {
      await store.remove(key)
      value = undefined
      revision = undefined
    },
  }
}

/** Certificates with an order record. */
export async function listOrders(store: Store): Promise<string[]> {
  return (await store.list('orders')).map((key) => key.slice('orders/'.length))
}

/** Whether the version this record leads to is stored: a run died between storing it and removing the record. */
export async function isStored(store: Store, { certificate, number, key }: OrderRecord): Promise<boolean> {
  const version = await store.getPublicVersion(certificate, number)
  return version !== undefined && readLeaf(version.leaf).spki === spkiOf(key)
}

const underWay = new WeakMap<Store, Set<string>>()

/** Orders that this very process works on; a sweep leaves them alone. Other processes are kept out by the run lock. */
export function markUnderWay(store: Store, certificate: string): Disposable {
  const marked = underWay.get(store) ?? new Set()
  underWay.set(store, marked.add(certificate))
  return { [Symbol.dispose]: () => void marked.delete(certificate) }
}

export function isUnderWay(store: Store, certificate: string): boolean {
  return underWay.get(store)?.has(certificate) ?? false
}
