import { readLeaf } from '../core/certificate.ts'
import { AcmeError } from '../core/errors.ts'
import { judgeProfile } from '../core/profile.ts'
import { journaled } from './issuance.ts'
import { issuerOf } from './issuers.ts'
import { findLost, readLiving, rememberNames } from './lost-order.ts'
import { backoffMs, pause } from './pace.ts'
import { retry } from './retry.ts'
import type { Order, OrderStatus } from './wire.ts'
import { recordOf, retire, sameNames, type Work } from './work.ts'

/** The order to go on with: the one an earlier run began, when it still can lead somewhere, or a new one. */
export async function currentOrder(
  work: Work,
  { tookUp }: { readonly tookUp: boolean },
): Promise<TakenOrder> {
  const { orderUrl } = recordOf(work)
  if (orderUrl !== undefined) {
    const order = await readLiving(work, orderUrl)
    if (order !== undefined) return { order: announced(work, order, true), resumed: true }
    await retire(work)
  } else if (tookUp) {
    const lost = await findLost(work)
    if (lost !== undefined) return { order: await adopt(work, lost, true), resumed: true }
  }
  return { order: await createOrder(work), resumed: false }
}

export interface TakenOrder {
  readonly order: Order
  readonly resumed: boolean
}

/**
 * A new order. When its outcome is unknown, the account's list of orders is asked before another one is sent;
 * where a CA has no such list, up to three are.
 */
export async function createOrder(work: Work): Promise<Order> {
  const { names, settings, deps, pace, certificate } = work
  await checkProfile(work)
  let replaces = await findReplaced(work)
  let tries = 0
  const attempt = async (): Promise<Order> => {
    const lost = tries++ > 0 ? await findLost(work) : undefined
    if (lost !== undefined) return lost
    const named = replaces
    try {
      return await sendOrder(work, named)
    } catch (error) {
      if (named === undefined) throw error
      // A CA that does not find what is replaced may call that a fault of its own: the last try does without.
      const refused = refusesReplacing(error)
      if (refused || tries === 2) replaces = undefined
      if (!refused) throw error
      return sendOrder(work, undefined)
    }
  }
  const facts = {
    directory: settings.directory,
    names: names.join(' '),
    ...(replaces !== undefined && { replaces }),
  }
  const order = await journaled(deps, { certificate, action: 'order-create', facts }, () =>
    retry(attempt, { budgetMs: pace.retryMs, pace, signal: deps.signal, maxTries: 3 }),
  )
  if (!sameNames(order.names, names)) {
    throw new AcmeError(`ordering ${names.join(', ')} failed: the CA made an order for other names`)
  }
  return adopt(work, order, false)
}

async function sendOrder(work: Work, replaces: string | undefined): Promise<Order> {
  const { ca, names, settings, deps, certificate } = work
  const { directory, profile } = settings
  await deps.beforeOrder?.({ certificate, directory, names, replaces: replaces !== undefined })
  return ca.newOrder({ names, profile, replaces })
}

/**
 * What the order will replace (RFC 9773 section 5): the newest version, when this CA issued it, offers renewal
 * information, and they share a name. Of a version without a CA on record, it is for the first CA to say.
 */
async function findReplaced(work: Work): Promise<string | undefined> {
  const { ca, deps, certificate, names, settings } = work
  const { renewalInfo } = await ca.directory()
  if (renewalInfo === undefined) return undefined
  const leaf = (await deps.store.newest([certificate])).get(certificate)?.version?.leaf
  if (leaf === undefined) return undefined
  const facts = readLeaf(leaf)
  if (!facts.names.some((name) => names.includes(name))) return undefined
  const onRecord = await issuerOf(deps.store, certificate, facts).catch(() => undefined)
  const isOurs = onRecord === undefined ? !settings.fallback : onRecord === settings.directory
  if (!isOurs) return undefined
  const { certificateId } = await import('../core/certificate-id.ts')
  return certificateId(leaf)
}

/** It was replaced already (409), or this CA or account knows nothing of it: an order that names nothing may do. */
function refusesReplacing(error: unknown): boolean {
  if (!(error instanceof AcmeError)) return false
  const types = ['alreadyReplaced', 'malformed', 'unauthorized']
  return error.status === 409 || error.status === 404 || types.includes(error.type ?? '')
}

/** Looks at the order until it leaves `status`, as often as the CA wants it. */
export async function settle(work: Work, url: string, status: OrderStatus): Promise<Order> {
  const { ca, pace, deps } = work
  const deadline = performance.now() + pace.pollMs
  for (let looks = 1; ; looks++) {
    const order = await ca.order(url)
    if (order.status !== status) return order
    const wait = Math.max(backoffMs(looks, pace.random), order.retryAfterMs ?? 0)
    if (performance.now() + wait > deadline) {
      throw new AcmeError(`the CA has not finished the order of ${work.certificate}: it is still ${status}`, {
        retryAfterMs: order.retryAfterMs,
        hint: `run it again later, and the same order is taken up: ${url}`,
      })
    }
    await pause(wait, deps.signal)
  }
}

async function adopt(work: Work, order: Order, resumed: boolean): Promise<Order> {
  await work.file.update({ orderUrl: order.url })
  return announced(work, order, resumed)
}

function announced({ deps, certificate }: Work, order: Order, resumed: boolean): Order {
  rememberNames(deps.store, order)
  deps.emit({ kind: 'order-created', certificate, url: order.url, resumed })
  return order
}

async function checkProfile({ ca, settings: { profile, directory, place } }: Work): Promise<void> {
  const { profiles } = await ca.directory()
  const refusal = judgeProfile(profile, profiles, { host: new URL(directory).host, place })
  if (!refusal) return
  const { message, hints, detail } = refusal
  throw new AcmeError(message, { type: 'invalidProfile', hint: hints, detail })
}
