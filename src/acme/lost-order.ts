import { AcmeError } from '../core/errors.ts'
import type { Store } from '../state/store.ts'
import { isRefusal } from './ca.ts'
import { listOrders, openOrderFile } from './order-record.ts'
import type { Order } from './wire.ts'
import { sameNames, type Work } from './work.ts'

/** Lost orders are looked for among so many of the newest; a CA may keep all that ever were. */
const ordersLookedAt = 1_000
const looksAtOnce = 8

/**
 * An order that was made while nobody could write down its URL (RFC 8555 section 7.1.2.1): one for our names that
 * waits to be gone on with. Undefined where the CA has no list; throws AcmeError when the list can't be had now.
 */
export async function findLost(work: Work): Promise<Order | undefined> {
  const { ca, deps, names } = work
  const urls = await ca.orders().catch((error: unknown) => {
    if (isRefusal(error)) return undefined
    throw error
  })
  if (urls === undefined) return undefined
  const underWay = await Promise.all(
    (await listOrders(deps.store)).map(
      async (name) => (await openOrderFile(deps.store, name)).value?.orderUrl,
    ),
  )
  const known = namesIn(deps.store)
  const maybe = urls
    .filter((url) => !underWay.includes(url) && sameNames(known.get(url) ?? names, names))
    .slice(-ordersLookedAt)
    .toReversed()
  for (let from = 0; from < maybe.length; from += looksAtOnce) {
    const orders = await Promise.all(
      maybe.slice(from, from + looksAtOnce).map((url) => readLiving(work, url)),
    )
    const lost = orders.find((order) => order?.status === 'pending' || order?.status === 'ready')
    if (lost !== undefined) return lost
  }
  return undefined
}

/** Undefined when the CA has dropped the order or it can't succeed: then a new one does no harm. */
export async function readLiving({ ca, names, deps }: Work, url: string): Promise<Order | undefined> {
  try {
    const order = await ca.order(url)
    rememberNames(deps.store, order)
    return order.status === 'invalid' || !sameNames(order.names, names) ? undefined : order
  } catch (error) {
    if (error instanceof AcmeError && [403, 404, 410].includes(error.status ?? 0)) return undefined
    throw error
  }
}

/** What orders are for never changes: no order has to be looked at twice in a run because it is somebody else's. */
const remembered = new WeakMap<Store, Map<string, readonly string[]>>()

export function rememberNames(store: Store, { url, names }: Order): void {
  namesIn(store).set(url, names)
}

function namesIn(store: Store): Map<string, readonly string[]> {
  const names = remembered.get(store) ?? new Map<string, readonly string[]>()
  remembered.set(store, names)
  return names
}
