import type { AcmeSettings } from '../core/acme.ts'
import { readSuggestion } from '../core/ari.ts'
import type { Suggestion } from '../core/ari.ts'
import { readLeaf } from '../core/certificate.ts'
import type { Leaf } from '../core/certificate.ts'
import { dayMs, hourMs, minuteMs } from '../core/duration.ts'
import { CertsError } from '../core/errors.ts'
import type { Store } from '../state/store.ts'
import { openRenewalSheet } from './renewal-sheet.ts'
import type { KnownLeaf } from './renewal-sheet.ts'
import type { Transport } from './transport.ts'

/**
 * What a CA says about when to renew (RFC 9773). It is asked where that is due, never more often than it wants, and
 * holds nobody up for more than seconds.
 */
export interface RenewalInfo extends Disposable {
  /**
   * About this leaf, the certificate's newest. Never throws for what the CA or the store does: what can't be had now is
   * as it was last said, or undefined. Without `ask`, what is remembered.
   */
  suggestion(
    certificate: string,
    leaf: Leaf,
    options: { readonly ask: boolean },
  ): Promise<Suggestion | undefined>
  /** What is remembered of this leaf. */
  recall(certificate: string, leaf: Leaf): Promise<KnownLeaf | undefined>
  /** Writes down what was learnt. */
  keep(): Promise<void>
}

export interface RenewalInfoOptions {
  readonly store: Store
  readonly directory: string
  readonly settings: () => Promise<Pick<AcmeSettings, 'directory' | 'caBundle'>>
  readonly now: () => Date
  readonly signal: AbortSignal
  /** Whether this CA issued the leaf: it is asked about no other. */
  readonly issued: (certificate: string, leaf: Leaf) => Promise<boolean>
  /** Runs as many requests at a time as a CA is to bear. */
  readonly atMost: <T>(work: () => Promise<T>) => Promise<T>
  /** For all the requests of this run. */
  readonly patienceMs: () => number
}

/** RFC 9773 section 4.3: after an answer that names no time, and after a failure; between a minute and a day. */
const defaultPollMs = 6 * hourMs
const [shortestPollMs, longestPollMs] = [minuteMs, dayMs]
const downMs = 10 * minuteMs
const requestMs = 2_000

export function openRenewalInfo(options: RenewalInfoOptions): RenewalInfo {
  const { store, directory, now, signal, atMost, patienceMs, issued } = options
  const sheet = openRenewalSheet(store, directory)
  let giveUpAt: number | undefined
  let opening: Promise<Transport> | undefined

  /** An instant further away than any that is written was dated by a clock that was wrong. */
  const isOver = (instant: string | undefined): boolean => {
    const wait = Date.parse(instant ?? '') - now().getTime()
    return !(wait > 0 && wait <= longestPollMs)
  }
  const after = (ms: number): string => new Date(now().getTime() + ms).toISOString()

  async function open(): Promise<Transport> {
    const [{ createTransport }, { fetchDirectory }, { defaultPace }, settings] = await Promise.all([
      import('./transport.ts'),
      import('./directory.ts'),
      import('./pace.ts'),
      options.settings(),
    ])
    const transport = createTransport({ ...settings, requestMs, signal })
    if (isOver(sheet.ca.directoryAt)) {
      const pace = { ...defaultPace, firstRetryMs: 0 }
      const { renewalInfo } = await fetchDirectory(transport, { settings, now, signal, pace })
      sheet.ca = { directory, url: renewalInfo, directoryAt: after(dayMs) }
    }
    return transport
  }

  const mayAsk = (): boolean => {
    giveUpAt ??= performance.now() + patienceMs()
    return performance.now() < giveUpAt && isOver(sheet.ca.downUntil) && !signal.aborted
  }

  async function ask(certificate: string, leaf: Leaf): Promise<void> {
    if (!mayAsk()) return
    const { fingerprint } = leaf
    if (!(await issued(certificate, leaf))) {
      sheet.set(certificate, { fingerprint, nextAt: after(longestPollMs), elsewhere: true })
      return
    }
    const transport = await (opening ??= open()).catch((error: unknown) => leaveAlone(error))
    const { url } = sheet.ca
    if (!transport || url === undefined || !mayAsk()) return
    try {
      const id = await identify(store, certificate, leaf)
      const known =
        id === undefined ? { nextAt: after(longestPollMs) } : await request(transport, `${url}/${id}`, leaf)
      sheet.set(certificate, { fingerprint, ...known })
    } catch (error) {
      if (!(error instanceof CertsError)) throw error
      if (signal.aborted) return
      const { isRetryable } = await import('./transport.ts')
      // A CA that fails has not taken back what it said; one that refuses has.
      const failing = isRetryable(error)
      if (failing) leaveAlone(error)
      const before = failing ? recall(certificate, leaf)?.suggestion : undefined
      sheet.set(certificate, {
        fingerprint,
        nextAt: after(failing ? hourMs : defaultPollMs),
        suggestion: before,
      })
    }
  }

  async function request(
    transport: Transport,
    url: string,
    leaf: Leaf,
  ): Promise<Omit<KnownLeaf, 'fingerprint'>> {
    const [{ accepted, jsonOf }, { retryAfterMs }] = await Promise.all([
      import('./answer.ts'),
      import('./retry-after.ts'),
    ])
    const origin = { step: `asking for renewal information at ${new URL(directory).host}`, directory }
    const answer = accepted(await transport.send({ method: 'GET', url, step: origin.step }), origin, now())
    const asked = retryAfterMs(answer.headers, now()) ?? defaultPollMs
    const nextAt = after(Math.min(Math.max(asked, shortestPollMs), longestPollMs))
    return { nextAt, suggestion: readSuggestion(jsonOf(answer, origin), leaf) }
  }

  /** The CA as a whole is not asked for a while. */
  function leaveAlone(error: unknown): undefined {
    if (!(error instanceof CertsError)) throw error
    const asked = 'retryAfterMs' in error && typeof error.retryAfterMs === 'number' ? error.retryAfterMs : 0
    sheet.ca = { ...sheet.ca, downUntil: after(Math.min(Math.max(asked, downMs), longestPollMs)) }
  }

  function recall(certificate: string, { fingerprint }: Leaf): KnownLeaf | undefined {
    const found = sheet.get(certificate)
    return found?.fingerprint === fingerprint ? found : undefined
  }

  return {
    async recall(certificate, leaf) {
      await sheet.load()
      return recall(certificate, leaf)
    },
    async suggestion(certificate, leaf, { ask: wanted }) {
      await sheet.load()
      const isAlive = Date.parse(leaf.notAfter) > now().getTime()
      const mayOffer = sheet.ca.url !== undefined || isOver(sheet.ca.directoryAt)
      const isDue = isOver(recall(certificate, leaf)?.nextAt)
      if (wanted && isAlive && mayOffer && isDue) await atMost(() => ask(certificate, leaf))
      return recall(certificate, leaf)?.suggestion
    },
    keep: () => sheet.keep(),
    [Symbol.dispose]: () =>
      void opening?.then((transport) => transport[Symbol.dispose]()).catch(() => undefined),
  }
}

/** Undefined where the store's newest is another by now, or the CA left out what names it. */
async function identify(store: Store, certificate: string, leaf: Leaf): Promise<string | undefined> {
  const [{ certificateId }, newest] = await Promise.all([
    import('../core/certificate-id.ts'),
    store.newest([certificate]),
  ])
  const pem = newest.get(certificate)?.version?.leaf
  return pem !== undefined && readLeaf(pem).fingerprint === leaf.fingerprint ? certificateId(pem) : undefined
}
