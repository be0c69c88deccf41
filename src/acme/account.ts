import type { AcmeSettings } from '../core/acme.ts'
import type { Store } from '../state/store.ts'
import { inTurn, openAccountFile, sayKeyOf } from './account-record.ts'
import { type RotationDeps, settleRotation } from './account-rotation.ts'
import { type Ca, openCa } from './ca.ts'
import { journaled } from './issuance.ts'
import { generateKey, thumbprintOf } from './key.ts'
import type { Pace } from './pace.ts'

export interface AccountOptions {
  readonly settings: AcmeSettings
  /** The certificate this is for, named in events and journal; absent when it is for none. */
  readonly certificate?: string
  readonly pace: Pace
}

/** The CA with our account at it, which is registered when there is none. */
export async function openAccount(deps: RotationDeps, options: AccountOptions): Promise<Ca> {
  return inTurn(deps.store, async () => {
    const { store, now, signal } = deps
    const { settings, pace } = options
    const file = await openAccountFile(store, settings)
    if (file.value?.next !== undefined) await settleRotation(file, deps, { settings, pace })
    const record = file.value ?? {
      directory: settings.directory,
      kid: settings.eab?.kid,
      key: await store.keys.keep(await generateKey('ecdsa-p256')),
    }
    if (file.value === undefined) await file.save(record)
    const accountKey = await store.keys.open(record.key, sayKeyOf(record))
    const ca = openCa({ settings, accountKey, accountUrl: record.url, now, signal, pace })
    if (record.url !== undefined) return ca
    try {
      const url = await register(ca, deps, options)
      await file.save({ ...record, url })
      deps.emit({ kind: 'account-created', certificate: options.certificate ?? hostOf(settings), url })
      return ca
    } catch (error) {
      ca[Symbol.dispose]()
      throw error
    }
  })
}

/** The URL of the account that there is; undefined before it is registered. Makes nothing. */
export async function accountUrl(store: Store, settings: AcmeSettings): Promise<string | undefined> {
  return (await openAccountFile(store, settings)).value?.url
}

/** What names the account that there is; undefined before it is registered. Makes nothing. */
export async function accountAt(
  store: Store,
  settings: AcmeSettings,
): Promise<{ readonly url: string; readonly thumbprint: string } | undefined> {
  const record = (await openAccountFile(store, settings)).value
  if (record?.url === undefined) return undefined
  return { url: record.url, thumbprint: thumbprintOf(record.key) }
}

async function register(
  ca: Ca,
  deps: RotationDeps,
  { settings, certificate }: AccountOptions,
): Promise<string> {
  await ca.directory()
  const facts = { directory: settings.directory }
  const act = { ...(certificate !== undefined && { certificate }), action: 'account-create', facts }
  return journaled(deps, act, () => ca.register())
}

function hostOf({ directory }: AcmeSettings): string {
  return new URL(directory).host
}
