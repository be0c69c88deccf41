import { AcmeError } from '../core/errors.ts'
import { printableLine } from '../core/printable.ts'
import type { Profile } from '../core/profile.ts'
import { isObject, type Problem, readProblem } from './problem.ts'

/**
 * The RFC 8555 objects as far as we use them. A CA's answer is foreign text: what has not the right shape is an
 * error, what we don't know is ignored, and every URL must be https at the directory's own host.
 */
export interface Directory {
  readonly newNonce: string
  readonly newAccount: string
  readonly newOrder: string
  /** Absent where the CA takes no revocations by ACME. */
  readonly revokeCert?: string | undefined
  /** Absent where the CA takes no other key for an account by ACME. */
  readonly keyChange?: string | undefined
  readonly externalAccountRequired: boolean
  /** Where renewal information is asked for (RFC 9773 section 4.1); absent where the CA has none. */
  readonly renewalInfo?: string | undefined
  /** Empty where the CA has none. */
  readonly profiles: readonly Profile[]
  /** The domains by which CAA records name this CA (section 9.7.6); empty where it does not say. */
  readonly caaIdentities: readonly string[]
  /** The domains by which dns-persist-01 records may name this CA; empty where it does not say. */
  readonly persistIssuers: readonly string[]
  /** What hashed account URIs in dns-persist-01 records begin with; absent where they hold the account's URL. */
  readonly accountHashPrefix?: string | undefined
  /** The CA's clock when it answered. */
  readonly date?: Date | undefined
}

export interface Account {
  /** Where its orders are listed, as the CA gave it; absent where it has no such list. */
  readonly orders?: unknown
}

export type OrderStatus = 'pending' | 'ready' | 'processing' | 'valid' | 'invalid'

export interface Order {
  readonly url: string
  readonly status: OrderStatus
  readonly names: readonly string[]
  readonly authorizations: readonly string[]
  readonly finalize: string
  readonly certificate?: string | undefined
  readonly error?: Problem | undefined
  /** What the CA asks to wait before it is looked at again. */
  readonly retryAfterMs?: number | undefined
}

/** Where an object came from: for messages, and for its URLs to be compared with. */
export interface Origin {
  /** `reading the order at ca.example`. */
  readonly step: string
  readonly directory: string
}

export function parseDirectory(value: unknown, origin: Origin): Directory {
  const read = reader(value, origin)
  const meta = isObject(read.value['meta']) ? read.value['meta'] : {}
  const caaIdentities = (Array.isArray(meta['caaIdentities']) ? meta['caaIdentities'] : [])
    .slice(0, 100)
    .flatMap((name: unknown) =>
      typeof name === 'string' ? printableLine(name, { max: 255 }).toLowerCase() : [],
    )
  return {
    newNonce: read.url('newNonce'),
    newAccount: read.url('newAccount'),
    newOrder: read.url('newOrder'),
    renewalInfo: read.value['renewalInfo'] === undefined ? undefined : read.url('renewalInfo'),
    revokeCert: read.value['revokeCert'] === undefined ? undefined : read.url('revokeCert'),
    keyChange: read.value['keyChange'] === undefined ? undefined : read.url('keyChange'),
    externalAccountRequired: meta['externalAccountRequired'] === true,
    profiles: Object.entries(isObject(meta['profiles']) ? meta['profiles'] : {})
      .slice(0, 100)
      .map(([name, description]) => ({
        name: printableLine(name, { max: 100 }),
        description: typeof description === 'string' ? printableLine(description, { max: 300 }) : '',
      })),
    caaIdentities,
    // Before revision 02 of the draft, a CA was known by what it calls itself in CAA records.
    persistIssuers: readIssuers(meta['issuerDomainNames']) ?? readIssuers(caaIdentities.slice(0, 10)) ?? [],
    accountHashPrefix: readHashPrefix(meta['accountHashPrefix']),
  }
}

/** Throws AcmeError when this is no account that may be used (RFC 8555 section 7.1.2). */
export function parseAccount(value: unknown, origin: Origin): Account {
  const read = reader(value, origin)
  const status = read.text('status')
  if (status !== 'valid') {
    throw new AcmeError(`${origin.step} failed: the account is ${printableLine(status, { max: 50 })}`)
  }
  return { orders: read.value['orders'] }
}

/** One to ten domain names in the one form that can be compared; undefined where there is anything else. */
export function readIssuers(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length > 10) return undefined
  return value.every((name): name is string => typeof name === 'string' && isDomain(name)) ? value : undefined
}

function isDomain(name: string): boolean {
  return name.length <= 253 && /^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*$/.test(name)
}

/** It becomes a part of a record's parameter, so it has no semicolon in it. */
function readHashPrefix(value: unknown): string | undefined {
  const usable = typeof value === 'string' && value.length <= 1_000 && /^https:[!-:<-~]+$/.test(value)
  return usable && URL.canParse(value) ? value : undefined
}

export function parseOrder(value: unknown, url: string, origin: Origin): Order {
  const read = reader(value, origin)
  const status = read.text('status')
  if (!isOrderStatus(status)) return read.fail('status')
  return {
    url: checkUrl(url, origin),
    status,
    names: read.list('identifiers').map((entry) => {
      const name = isObject(entry) && entry['type'] === 'dns' ? entry['value'] : undefined
      return typeof name === 'string' && name.length <= 255 ? name.toLowerCase() : read.fail('identifiers')
    }),
    authorizations: read.list('authorizations').map((entry) => checkUrl(entry, origin)),
    finalize: read.url('finalize'),
    certificate: read.value['certificate'] === undefined ? undefined : read.url('certificate'),
    error: read.value['error'] === undefined ? undefined : readProblem(read.value['error']),
  }
}

/** The URLs of an account's orders (RFC 8555 section 7.1.2.1). */
export function parseOrderList(value: unknown, origin: Origin): string[] {
  return reader(value, origin)
    .list('orders')
    .map((entry) => checkUrl(entry, origin))
}

/** A URL that the CA names. It never sends us to another host, and never off https. */
export function checkUrl(value: unknown, { step, directory }: Origin): string {
  const url = typeof value === 'string' && value.length <= 2_000 ? URL.parse(value) : null
  if (url === null) throw new AcmeError(`${step} failed: the CA gave something that is no URL`)
  const own = new URL(directory)
  if (url.protocol !== 'https:' || url.host !== own.host || url.username !== '' || url.password !== '') {
    throw new AcmeError(
      `${step} failed: the CA pointed to ${url.protocol}//${url.host}, not to https://${own.host}`,
    )
  }
  return url.href
}

function isOrderStatus(text: string): text is OrderStatus {
  return ['pending', 'ready', 'processing', 'valid', 'invalid'].includes(text)
}

export interface Reader {
  readonly value: Readonly<Record<string, unknown>>
  text(field: string): string
  url(field: string): string
  list(field: string): readonly unknown[]
  fail(field: string): never
}

export function reader(value: unknown, origin: Origin): Reader {
  const fail = (field: string): never => {
    throw new AcmeError(`${origin.step} failed: the CA's answer has no usable ${field}`)
  }
  if (!isObject(value)) return fail('JSON object')
  return {
    value,
    fail,
    text: (field) => {
      const text = value[field]
      return typeof text === 'string' && text.length <= 2_000 ? text : fail(field)
    },
    url: (field) => (typeof value[field] === 'string' ? checkUrl(value[field], origin) : fail(field)),
    list: (field) => {
      const list: unknown = value[field] ?? []
      return Array.isArray(list) && list.length <= 1_000 ? list : fail(field)
    },
  }
}
