import { createHash } from 'node:crypto'
import type { AcmeSettings } from '../core/acme.ts'
import type { ChallengeMethod } from '../core/certificate.ts'
import { AcmeError } from '../core/errors.ts'
import type { PersistAccount } from '../core/persist-record.ts'
import { accepted, jsonOf } from './answer.ts'
import { type Authorization, parseAuthorization } from './authorization.ts'
import { createClient, nonceOf } from './client.ts'
import { fetchDirectory } from './directory.ts'
import type { Pace } from './pace.ts'
import { problemError } from './problem.ts'
import { retry } from './retry.ts'
import { retryAfterMs } from './retry-after.ts'
import { type Answer, createTransport } from './transport.ts'
import {
  checkUrl,
  type Directory,
  type Order,
  type Origin,
  parseAccount,
  parseOrder,
  parseOrderList,
} from './wire.ts'

/**
 * One account at one CA, as single RFC 8555 requests. Each throws AcmeError with the CA's problem kept whole.
 * Reads, and what the CA takes twice without harm, are repeated within the retry budget; `newOrder`, `answer` and
 * `finalize` are sent once, and whoever calls them looks again when the outcome is unknown.
 */
export interface Ca extends Disposable {
  directory(): Promise<Directory>
  /** Registers the key, or finds the account that it has (section 7.3). Resolves to the account's URL. */
  register(): Promise<string>
  /**
   * Whether the CA takes requests by this key for the account: true on its proof alone, false when it refuses.
   * Throws AcmeError when it can't be found out.
   */
  answersAccount(): Promise<boolean>
  /** Asks the CA to take this key (PKCS#8 PEM) for the account instead of ours (section 7.3.5). Sent once. */
  changeKey(next: string): Promise<void>
  newOrder(order: {
    readonly names: readonly string[]
    readonly profile?: string | undefined
    /** The certificate it replaces, named as RFC 9773 section 4.1 does. */
    readonly replaces?: string | undefined
  }): Promise<Order>
  order(url: string): Promise<Order>
  /** URLs of the account's orders, or undefined where the CA offers no list (section 7.1.2.1). */
  orders(): Promise<string[] | undefined>
  authorization(url: string, method: ChallengeMethod): Promise<Authorization>
  answer(challengeUrl: string): Promise<void>
  finalize(order: Order, csr: string): Promise<Order>
  certificate(url: string): Promise<Downloaded>
  /** Base64url of the certificate's DER; the code of RFC 5280 section 5.3.1 (section 7.6). */
  revoke(certificate: string, reasonCode: number): Promise<void>
  /** What the TXT record of a dns-01 challenge says (section 8.4). */
  txtValue(token: string): Promise<string>
  /** Who dns-persist-01 records must name. */
  persistAccount(): Promise<PersistAccount>
}

export interface Downloaded {
  readonly pem: string
  /** URLs of other chains for the same certificate (section 7.4.2), ten at most. */
  readonly alternates: readonly string[]
}

export interface CaOptions {
  readonly settings: AcmeSettings
  /** PKCS#8 PEM. */
  readonly accountKey: string
  /** Absent before the account is registered. */
  readonly accountUrl?: string | undefined
  readonly now: () => Date
  readonly signal: AbortSignal
  readonly pace: Pace
}

const maxOrderPages = 50

export function openCa({ settings, accountKey, accountUrl, now, signal, pace }: CaOptions): Ca {
  const host = new URL(settings.directory).host
  const transport = createTransport({ ...settings, requestMs: pace.requestMs, signal })
  const client = createClient({
    settings,
    accountKey,
    // Not as patient as what needs it: patience within patience would multiply.
    freshNonce: () => patiently(async () => requestNonce((await directory()).newNonce), pace.firstRetryMs),
    send: (request) => transport.send({ method: 'POST', ...request }),
  })
  let account = accountUrl

  const at = (what: string): Origin => ({ step: `${what} at ${host}`, directory: settings.directory })

  function patiently<T>(attempt: () => Promise<T>, budgetMs = pace.retryMs): Promise<T> {
    return retry(attempt, { budgetMs, pace, signal })
  }

  const directory = once(() => fetchDirectory(transport, { settings, now, signal, pace }))

  async function requestNonce(url: string): Promise<string> {
    const origin = at('getting a nonce')
    const answer = await transport.send({ method: 'HEAD', url, step: origin.step })
    const nonce = nonceOf(accepted(answer, origin, now()))
    if (nonce === undefined) throw new AcmeError(`${origin.step} failed: the CA sent none that can be used`)
    return nonce
  }

  async function post(url: string, payload: object | null, origin: Origin): Promise<Answer> {
    return accepted(await client.post({ url, payload, account, step: origin.step }), origin, now())
  }
  const get = (url: string, origin: Origin): Promise<Answer> => patiently(() => post(url, null, origin))

  function orderOf(answer: Answer, url: string, origin: Origin): Order {
    return {
      ...parseOrder(jsonOf(answer, origin), url, origin),
      retryAfterMs: retryAfterMs(answer.headers, now()),
    }
  }

  return {
    directory,
    register: async () => {
      const origin = at('registering the account')
      const { newAccount, externalAccountRequired } = await directory()
      if (externalAccountRequired && settings.eab === undefined) {
        const detail = 'the CA wants an external account binding'
        const problem = { type: 'externalAccountRequired', detail, subproblems: [] }
        throw problemError(problem, { step: origin.step, now: now() })
      }
      account = undefined
      const contact = settings.contact.map((address) => `mailto:${address}`)
      const payload = { termsOfServiceAgreed: true, ...(contact.length > 0 && { contact }) }
      const { headers } = await patiently(() => post(newAccount, { ...payload }, origin))
      account = checkUrl(headers['location'], origin)
      return account
    },
    answersAccount: async () => {
      const origin = at('reading the account')
      if (account === undefined) return false
      try {
        parseAccount(jsonOf(await get(account, origin), origin), origin)
        return true
      } catch (error) {
        if (isRefusal(error)) return false
        throw error
      }
    },
    changeKey: async (next) => {
      const origin = at("changing the account's key")
      const { keyChange } = await directory()
      if (keyChange === undefined) throw new AcmeError(`${origin.step} failed: it takes none by ACME`)
      if (account === undefined) throw new Error('an account that is not registered has no key to change')
      await post(keyChange, await client.keyChange({ url: keyChange, account, next }), origin)
    },
    newOrder: async ({ names, profile, replaces }) => {
      const origin = at(`ordering ${names.join(', ')}`)
      const { newOrder } = await directory()
      const identifiers = names.map((value) => ({ type: 'dns', value }))
      const payload = {
        identifiers,
        ...(profile !== undefined && { profile }),
        ...(replaces !== undefined && { replaces }),
      }
      const answer = await post(newOrder, payload, origin)
      return orderOf(answer, checkUrl(answer.headers['location'], origin), origin)
    },
    order: async (url) => {
      const origin = at('reading the order')
      return orderOf(await get(url, origin), url, origin)
    },
    orders: async () => {
      const origin = at("listing the account's orders")
      if (account === undefined) return undefined
      const { orders } = parseAccount(jsonOf(await get(account, origin), origin), origin)
      if (orders === undefined) return undefined
      const found: string[] = []
      let page: string | undefined = checkUrl(orders, origin)
      for (let pages = 0; page !== undefined && pages < maxOrderPages; pages++) {
        const answer: Answer = await get(page, origin)
        found.push(...parseOrderList(jsonOf(answer, origin), origin))
        page = linksOf(answer, 'next').map((url) => checkUrl(url, origin))[0]
      }
      return found
    },
    authorization: async (url, method) => {
      const origin = at('reading an authorization')
      return parseAuthorization(jsonOf(await get(url, origin), origin), { url, method }, origin)
    },
    answer: async (challengeUrl) => {
      await post(challengeUrl, {}, at('answering a challenge'))
    },
    finalize: async (order, csr) => {
      const origin = at('finalizing the order')
      return orderOf(await post(order.finalize, { csr }, origin), order.url, origin)
    },
    certificate: async (url) => {
      const origin = at('downloading the certificate')
      // Some CAs name the certificate's URL a moment before they serve it.
      const waiting = { budgetMs: pace.retryMs, pace, signal, alsoStatus: 404, maxTries: 8 }
      const answer = await retry(() => post(url, null, origin), waiting)
      const alternates = linksOf(answer, 'alternate').map((link) => checkUrl(link, origin))
      return {
        pem: answer.body,
        alternates: [...new Set(alternates)].filter((link) => link !== url).slice(0, 10),
      }
    },
    revoke: async (certificate, reason) => {
      const origin = at('revoking the certificate')
      const { revokeCert } = await directory()
      if (revokeCert === undefined) throw new AcmeError(`${origin.step} failed: it takes none by ACME`)
      await patiently(() => post(revokeCert, { certificate, reason }, origin))
    },
    txtValue: async (token) => {
      const keyAuthorization = `${token}.${await client.thumbprint()}`
      return createHash('sha256').update(keyAuthorization).digest('base64url')
    },
    persistAccount: async () => {
      const { accountHashPrefix: hashPrefix } = await directory()
      if (account === undefined) throw new Error('the account is not registered')
      return { url: account, thumbprint: await client.thumbprint(), hashPrefix }
    },
    [Symbol.dispose]: () => transport[Symbol.dispose](),
  }
}

/** The CA understood, and said no; another try says the same. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof AcmeError) || error.status === undefined) return false
  const passes = error.status === 429 || error.type === 'badNonce' || error.type === 'rateLimited'
  return error.status >= 400 && error.status < 500 && !passes
}

/** Targets of the Link header's entries with this relation (RFC 8288). */
function linksOf({ headers }: Answer, relation: string): string[] {
  const entries = (headers['link'] ?? '').matchAll(/<([^>]*)>\s*;([^,<]*)/g)
  return [...entries].flatMap(([, url = '', parameters = '']) => {
    const found = /rel\s*=\s*"?([^";]*)"?/i.exec(parameters)?.[1]
    return found?.trim().toLowerCase() === relation ? [url] : []
  })
}

/** Shares one attempt among all callers; a failed one is forgotten. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined
      throw error
    })
    return made
  }
}
