import type { PlacedRecord } from '../dns/solver.ts'
import type { Store } from '../state/store.ts'
import type { IssueDeps } from './issuance.ts'
import { isStored, isUnderWay, listOrders, openOrderFile } from './order-record.ts'
import { defaultPace } from './pace.ts'
import { mergeRecords, removeTxt } from './txt.ts'

/** TXT records of an order that is over, which could not be removed then. One document for each certificate. */
interface Leftovers {
  readonly records: readonly PlacedRecord[]
}

/** Keeps records for the next sweep; durable before the order's own record forgets them. */
export async function keepLeftovers(
  store: Store,
  certificate: string,
  records: readonly PlacedRecord[],
): Promise<void> {
  if (records.length === 0) return
  const key = `txt/${certificate}`
  const found = await store.get<Leftovers>(key)
  const value: Leftovers = { records: mergeRecords(found?.value.records ?? [], records) }
  await store.put(key, value, found?.revision)
}

export type SweepDeps = Omit<IssueDeps, 'signal'>

/**
 * Removes TXT records that earlier runs left in DNS: those of failed clean-ups, and those of a run that was killed
 * after its version was stored. Orders that are to be taken up keep theirs. Has a deadline of its own; what stays
 * is a warning and is tried again next time. Cheap when there is nothing: two listings.
 */
export async function sweepTxt(deps: SweepDeps): Promise<void> {
  const { store, pace } = deps
  const signal = AbortSignal.timeout(pace?.cleanupMs ?? defaultPace.cleanupMs)

  for (const certificate of await listOrders(store)) {
    if (isUnderWay(store, certificate)) continue
    const file = await openOrderFile(store, certificate)
    if (file.value === undefined || !(await isStored(store, file.value))) continue
    await keepLeftovers(store, certificate, file.value.records)
    await file.remove()
  }
  for (const key of await store.list('txt')) {
    const certificate = key.slice('txt/'.length)
    const found = await store.get<Leftovers>(key)
    if (found === undefined || isUnderWay(store, certificate)) continue
    const left = await removeTxt(deps, found.value.records, { certificate, signal })
    if (left.length === 0) await store.remove(key)
    else await store.put(key, { records: left }, found.revision)
  }
}
