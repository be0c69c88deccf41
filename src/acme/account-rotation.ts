import type { AcmeSettings } from '../core/acme.ts'
import { AcmeError, CertsError } from '../core/errors.ts'
import type { KeptKey } from '../core/kept-key.ts'
import type { Store } from '../state/store.ts'
import {
  type AccountFile,
  type AccountRecord,
  inTurn,
  listAccounts,
  type NextKey,
  openAccountFile,
  sayKeyOf,
} from './account-record.ts'
import { type Ca, isRefusal, openCa } from './ca.ts'
import { type IssueDeps, journaled } from './issuance.ts'
import { generateKey, thumbprintOf } from './key.ts'
import { defaultPace, type Pace } from './pace.ts'
import { retry } from './retry.ts'

export type RotationDeps = Pick<IssueDeps, 'store' | 'emit' | 'now' | 'signal' | 'run'>

/** What a rotation came to. Keys are told by their thumbprints (RFC 7638), which are public. */
export interface Rotation {
  readonly directory: string
  /** The account's URL, which stays. */
  readonly account: string
  readonly from: string
  readonly to: string
}

/** An account whose key can be changed, and the rotation of it that an earlier run left open. */
export interface Rotatable {
  readonly account: string
  readonly begunAt?: string | undefined
}

interface RotationOptions {
  readonly settings: AcmeSettings
  readonly pace: Pace
}

/** A request that was sent so long ago is acted on by no CA any more. */
const inFlightMs = 3_600_000

/** Throws CertsError where there is no account whose key could be changed. Asks nobody. */
export async function findRotatable(store: Store, settings: AcmeSettings): Promise<Rotatable> {
  const { value } = await openAccountFile(store, settings)
  return { account: (await registered(store, settings, value)).url, begunAt: value?.next?.at }
}

/**
 * Gives the account a new key (RFC 8555 section 7.3.5). Both keys are stored before the CA hears of the new one, and
 * the old one is forgotten when the CA has answered a request by the new one; until then, whoever uses the account
 * next finds out which key the CA takes. A rotation that an earlier run left open is brought to its end instead of
 * beginning another one. Throws AcmeError, StateError, or CertsError where there is no account.
 */
export async function rotateAccountKey(
  deps: RotationDeps & Pick<IssueDeps, 'pace'>,
  settings: AcmeSettings,
): Promise<Rotation> {
  return inTurn(deps.store, async () => {
    const { store, now, emit } = deps
    const { directory } = settings
    const file = await openAccountFile(store, settings)
    const before = await registered(store, settings, file.value)
    const { url, key } = before
    const options = { settings, pace: { ...defaultPace, ...deps.pace } }
    await refuseUnlessOffered(before, { ...deps, ...options })
    const next: NextKey = {
      key: before.next?.key ?? (await store.keys.keep(await generateKey('ecdsa-p256'))),
      at: now().toISOString(),
    }
    await file.save({ ...before, next })
    emit({ kind: 'account-key-stored', directory })
    const rotation = { directory, account: url, from: thumbprintOf(key), to: thumbprintOf(next.key) }
    await journaled(deps, { action: 'account-rotate', facts: { ...rotation } }, async () => {
      await changeKey(file, deps, { ...options, maybeTaken: before.next !== undefined })
      await file.save({ ...before, key: next.key, next: undefined })
    })
    emit({ kind: 'account-rotated', directory, url })
    return rotation
  })
}

/**
 * Finds out which key the CA takes while a rotation is open, and forgets the other one: the old one when the CA has
 * answered a request by the new one; the new one when the CA takes the old one and no request of ours can be on its
 * way any more. Else both stay.
 */
export async function settleRotation(
  file: AccountFile,
  deps: RotationDeps,
  options: RotationOptions,
): Promise<void> {
  const { value } = file
  if (value?.next === undefined || value.url === undefined) return
  const { next, ...record } = value
  using fresh = await openWith(next.key, value, { ...deps, ...options })
  const facts = {
    directory: value.directory,
    account: value.url,
    from: thumbprintOf(value.key),
    to: thumbprintOf(next.key),
  }
  if (await fresh.answersAccount()) {
    await journaled(deps, { action: 'account-rotate', facts }, () => file.save({ ...record, key: next.key }))
    deps.emit({ kind: 'account-rotated', directory: value.directory, url: value.url })
    return
  }
  const sinceMs = deps.now().getTime() - Date.parse(next.at)
  if (sinceMs < inFlightMs) return
  using old = await openWith(value.key, value, { ...deps, ...options })
  if (!(await old.answersAccount())) return
  const at = deps.now().toISOString()
  const error = 'the CA has not taken the new key, which is forgotten'
  const line = { at, run: deps.run, action: 'account-rotate', facts: { ...facts, error } }
  await deps.store.append({ ...line, phase: 'failed' })
  await file.save(record)
}

async function refuseUnlessOffered(
  record: AccountRecord,
  options: RotationDeps & RotationOptions,
): Promise<void> {
  using ca = await openWith(record.key, record, options)
  if ((await ca.directory()).keyChange !== undefined) return
  throw new AcmeError(`${stepOf(record)} failed: it takes no new keys by ACME`, { hint: untouched })
}

interface ChangeOptions extends RotationOptions {
  /** Whether the CA may have taken the key already, from an earlier request. */
  readonly maybeTaken: boolean
}

/** Resolves when the CA has answered a request by the new key. */
async function changeKey(file: AccountFile, deps: RotationDeps, options: ChangeOptions): Promise<void> {
  const { value } = file
  if (value?.next === undefined) throw new Error('no key to change to')
  const { next, ...record } = value
  const { pace } = options
  using old = await openWith(value.key, value, { ...deps, ...options })
  using fresh = await openWith(next.key, value, { ...deps, ...options })
  const nextKey = await deps.store.keys.open(next.key, sayKeyOf(value))
  let { maybeTaken } = options
  const attempt = async (): Promise<void> => {
    if (maybeTaken && (await fresh.answersAccount())) return
    try {
      await old.changeKey(nextKey)
    } catch (error) {
      if (maybeTaken && isRefusal(error) && (await fresh.answersAccount())) return
      maybeTaken ||= !isRefusal(error)
      throw error
    }
    if (await fresh.answersAccount()) return
    throw new AcmeError(`${stepOf(value)} failed: the CA said that it took the new key, and does not`, {
      hint: openHint,
    })
  }
  try {
    await retry(attempt, { budgetMs: pace.retryMs, pace, signal: deps.signal })
  } catch (error) {
    if (!(error instanceof AcmeError)) throw error
    const neverTaken = !maybeTaken && isRefusal(error) && (await answers(old)) && !(await answers(fresh))
    if (neverTaken) await file.save(record)
    const { message, status, type, subproblems, retryAfterMs, detail } = error
    throw new AcmeError(message, {
      status,
      type,
      subproblems,
      retryAfterMs,
      detail,
      cause: error,
      hint: [...error.hints, neverTaken ? untouched : openHint],
    })
  }
}

const untouched = 'the account has its old key, as before'
const openHint =
  'both keys are kept until the CA says which it takes; certs account rotate brings it to its end'

/** After a failure, when there may be no answer at all. */
async function answers(ca: Ca): Promise<boolean> {
  return ca.answersAccount().catch(() => false)
}

async function openWith(
  key: KeptKey,
  record: AccountRecord,
  { settings, store, now, signal, pace }: RotationDeps & RotationOptions,
): Promise<Ca> {
  const accountKey = await store.keys.open(key, sayKeyOf(record))
  return openCa({ settings, accountKey, accountUrl: record.url, now, signal, pace })
}

function stepOf({ directory }: AccountRecord): string {
  return `changing the account's key at ${new URL(directory).host}`
}

async function registered(
  store: Store,
  { directory, eab }: AcmeSettings,
  record: AccountRecord | undefined,
): Promise<AccountRecord & { readonly url: string }> {
  if (record?.url !== undefined) return { ...record, url: record.url }
  const others = (await listAccounts(store)).filter(({ url }) => url !== undefined)
  const known = others.map((one) => `${one.directory}${one.kid === undefined ? '' : ` with eab ${one.kid}`}`)
  const binding = eab === undefined ? '' : ` with eab ${eab.kid}`
  throw new CertsError(`there is no account at ${directory}${binding} whose key could be changed`, {
    hint: [
      'make one: certs account create',
      ...(known.length === 0 ? [] : [`the state has accounts at ${known.join(', ')}`]),
    ],
  })
}
