import { AcmeError } from '../core/errors.ts'
import { checkIssued, type Issued, issuersOf } from '../core/issued.ts'
import { createCsr } from './client.ts'
import { journaled } from './issuance.ts'
import { backoffMs, pause } from './pace.ts'
import { isRetryable } from './transport.ts'
import type { Order } from './wire.ts'
import { openKey, recordOf, type Work } from './work.ts'

/**
 * Asks the CA to issue. When the outcome is unknown, the order is looked at instead of sending it again: from the
 * moment this was sent there may be a certificate, and the order leads to it.
 */
export async function finalize(work: Work, order: Order, attempt: number): Promise<Order> {
  const { ca, names, deps, pace, certificate, file } = work
  const csr = await createCsr(names, await openKey(work))
  await file.update({ finalizing: true })
  const send = async (): Promise<Order> => {
    try {
      return await ca.finalize(order, csr)
    } catch (error) {
      const unclear = isRetryable(error) || (error instanceof AcmeError && error.type === 'orderNotReady')
      if (!unclear || attempt >= 5) throw error
      const wait = Math.max(backoffMs(attempt, pace.random), error.retryAfterMs ?? 0)
      if (wait > pace.retryMs) throw error
      await pause(wait, deps.signal)
      return ca.order(order.url)
    }
  }
  const next = await journaled(
    deps,
    { certificate, action: 'order-finalize', facts: { order: order.url } },
    send,
  )
  if (next.status !== 'ready') deps.emit({ kind: 'finalize-sent', certificate })
  return next
}

/** Downloads the certificate, takes the preferred chain, and lets through only what was ordered. */
export async function download(work: Work, url: string): Promise<Issued> {
  const { ca, names, settings, deps } = work
  const { keyType } = recordOf(work)
  const key = await openKey(work)
  const check = (pem: string): Issued =>
    checkIssued(pem, { key, keyType, names, now: deps.now(), roots: settings.caBundle })

  const { pem, alternates } = await ca.certificate(url)
  const standard = check(pem)
  const { preferredChain } = settings
  if (preferredChain === undefined || issuersOf(pem).includes(preferredChain)) return standard

  const others = await Promise.all(alternates.map((link) => ca.certificate(link)))
  const preferred = others.find((other) => {
    check(other.pem)
    return issuersOf(other.pem).includes(preferredChain)
  })
  if (preferred !== undefined) return check(preferred.pem)
  const choices = [pem, ...others.map((other) => other.pem)].map((chain) => issuersOf(chain).at(-1))
  const quoted = choices.map((choice) => JSON.stringify(choice)).join(', ')
  throw new AcmeError(`the CA has no chain for ${work.certificate} up to ${JSON.stringify(preferredChain)}`, {
    type: 'preferredChain',
    hint: `set ${settings.place ?? 'acme'}.preferredChain to one of ${quoted}, or leave it out; the certificate is kept at the CA for this`,
  })
}
