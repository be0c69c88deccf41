import type { AcmeSettings } from '../core/acme.ts'
import { sha256 } from '../core/certificate.ts'
import type { Store } from '../state/store.ts'
import { type Ca, openCa } from './ca.ts'
import { type IssueDeps, journaled } from './issuance.ts'
import { generateKey } from './key.ts'
import type { Pace } from './pace.ts'

/**
 * One account for each directory and external binding, for ever: a contact that differs from the configuration's
 * does not make another one.
 */
interface AccountRecord {
  readonly directory: string
  /** The external binding's key identifier. */
  readonly kid?: string | undefined
  /** PKCS#8 PEM; stored before the CA hears of it. */
  readonly key: string
  /** Absent until the CA has answered. */
  readonly url?: string | undefined
}

export interface AccountOptions {
  readonly settings: AcmeSettings
  /** The certificate this is for, named in events and journal. */
  readonly certificate: string
  readonly pace: Pace
}

type AccountDeps = Pick<IssueDeps, 'store' | 'emit' | 'now' | 'signal' | 'run'>

/** The CA with our account at it, which is registered when there is none. */
export async function openAccount(deps: AccountDeps, options: AccountOptions): Promise<Ca> {
  return inTurn(deps.store, async () => {
    const { store, now, signal } = deps
    const { settings, pace } = options
    const document = keyOf(settings)
    const found = await store.get<AccountRecord>(document)
    const record = found?.value ?? {
      directory: settings.directory,
      kid: settings.eab?.kid,
      key: await generateKey('ecdsa-p256'),
    }
    const revision = found?.revision ?? (await store.put(document, record, undefined))
    const ca = openCa({ settings, accountKey: record.key, accountUrl: record.url, now, signal, pace })
    if (record.url !== undefined) return ca
    try {
      const url = await register(ca, deps, options)
      await store.put(document, { ...record, url }, revision)
      deps.emit({ kind: 'account-created', certificate: options.certificate, url })
      return ca
    } catch (error) {
      ca[Symbol.dispose]()
      throw error
    }
  })
}

/** The URL of the account that there is; undefined before it is registered. Makes nothing. */
export async function accountUrl(store: Store, settings: AcmeSettings): Promise<string | undefined> {
  return (await store.get<AccountRecord>(keyOf(settings)))?.value.url
}

async function register(
  ca: Ca,
  deps: AccountDeps,
  { settings, certificate }: AccountOptions,
): Promise<string> {
  await ca.directory()
  const facts = { directory: settings.directory }
  return journaled(deps, { certificate, action: 'account-create', facts }, () => ca.register())
}

/** Readable by a person, and distinct where directory or binding are. */
function keyOf({ directory, eab }: AcmeSettings): string {
  const host = new URL(directory).hostname.replaceAll(/[^a-z0-9.-]|\.\.+/g, '_')
  return `accounts/${host.replace(/^[^a-z0-9]/, '_')}-${sha256(`${directory}\n${eab?.kid ?? ''}`).slice(0, 12)}`
}

const turns = new WeakMap<Store, Promise<unknown>>()

/** Certificates that are issued at the same time must not register two accounts. */
async function inTurn<T>(store: Store, act: () => Promise<T>): Promise<T> {
  const before = turns.get(store) ?? Promise.resolve()
  const mine = before.then(act, act)
  turns.set(store, mine)
  return mine
}
