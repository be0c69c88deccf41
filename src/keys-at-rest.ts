import { listRecordKeys, openAccountKeys, rewriteRecordKeys } from './acme/record-keys.ts'
import type { App } from './app.ts'
import { sayCount } from './core/count.ts'
import { CertsError, ConfigError, errorFacts } from './core/errors.ts'
import type { ErrorFacts } from './core/errors.ts'
import type { KeyForm } from './state/store.ts'

/** How many private keys of the state lie there how. */
export type KeyCount = Readonly<Record<KeyForm, number>>

interface Place {
  readonly forms: readonly KeyForm[]
  readonly rewrite: () => Promise<void>
}

/** Every private key in the state: of versions, orders under way and accounts. Needs no identity. */
async function placesOf({ store }: Pick<App, 'store'>): Promise<Place[]> {
  const [versions, records] = await Promise.all([store.listKeys(), listRecordKeys(store)])
  return [
    ...records.map(({ document, forms }) => ({
      forms,
      rewrite: () => rewriteRecordKeys(store, document),
    })),
    ...versions.map(({ certificate, number, form }) => ({
      forms: [form],
      rewrite: () => store.rewriteKey(certificate, number),
    })),
  ]
}

export async function countKeys(app: Pick<App, 'store'>): Promise<KeyCount> {
  return countOf((await placesOf(app)).flatMap(({ forms }) => forms))
}

function countOf(forms: readonly KeyForm[]): KeyCount {
  const count = (form: KeyForm) => forms.filter((one) => one === form).length
  return { clear: count('clear'), sealed: count('sealed'), 'sealed-otherwise': count('sealed-otherwise') }
}

/** How many keys lie otherwise than configured. */
export async function countWrongKeys(app: Pick<App, 'store'>): Promise<number> {
  const wanted = wantedForm(app)
  return (await placesOf(app)).flatMap(({ forms }) => forms).filter((form) => form !== wanted).length
}

function wantedForm({ store }: Pick<App, 'store'>): KeyForm {
  return store.keys.seals ? 'sealed' : 'clear'
}

/** What lies otherwise than configured, and how to mend it. */
export function sayStray({ settings }: Pick<App, 'settings'>, count: KeyCount): ErrorFacts | undefined {
  const { clear, sealed, 'sealed-otherwise': otherwise } = count
  if (settings.state.encryptTo.length === 0) {
    const all = sealed + otherwise
    if (all === 0) return undefined
    const hints = ['certs state unseal brings them into the clear; or configure state.encryptTo again']
    return { message: `${sayLie(all)} sealed, and state.encryptTo is not configured`, hints }
  }
  const parts = [
    ...(clear > 0 ? [`${sayLie(clear)} in the clear`] : []),
    ...(otherwise > 0
      ? [`${sayLie(otherwise)} sealed to other recipients than those of state.encryptTo`]
      : []),
  ]
  return parts.length === 0 ? undefined : { message: parts.join(', and '), hints: ['certs state seal'] }
}

function sayLie(count: number): string {
  return `${sayCount(count, 'private key')} ${count === 1 ? 'lies' : 'lie'}`
}

/**
 * Opens every key that a run may need: those of our accounts, and of each certificate's newest version. What can't be
 * opened, and why.
 */
export async function openAll({ store, settings }: Pick<App, 'store' | 'settings'>): Promise<ErrorFacts[]> {
  const opening = [
    () =>
      openAccountKeys(
        store,
        settings.cas.map(({ directory }) => directory),
      ),
    ...Object.keys(settings.certificates).map((name) => async () => {
      const newest = (await store.listVersions(name)).at(-1)
      if (newest !== undefined) await store.getVersion(name, newest)
    }),
  ]
  const failures: ErrorFacts[] = []
  for (const open of opening) {
    await open().catch((error: unknown) => {
      if (!(error instanceof CertsError)) throw error
      failures.push(errorFacts(error))
    })
  }
  return failures
}

export interface Rewritten {
  /** Keys that were written anew. */
  readonly keys: number
  /** Keys that lay there as configured. */
  readonly right: number
  readonly failures: readonly ErrorFacts[]
}

/**
 * Brings every key into the form that is configured, one after the other, each replaced whole: killed anywhere, every
 * key is there in its former or its new form. One that is damaged stops no other; an identity that is missing or does
 * not fit ends it.
 */
export async function rewriteKeys(app: Pick<App, 'store' | 'io'>): Promise<Rewritten> {
  const { io } = app
  const wanted = wantedForm(app)
  const places = await placesOf(app)
  const wrong = places
    .filter(({ forms }) => forms.some((form) => form !== wanted))
    .toSorted((a, b) => Number(b.forms.includes('clear')) - Number(a.forms.includes('clear')))
  const failures: ErrorFacts[] = []
  let keys = 0
  for (const [index, { forms, rewrite }] of wrong.entries()) {
    if (io.signal.aborted) {
      const left = sayCount(wrong.length - index, 'file')
      failures.push({ message: `interrupted: ${left} left as before`, hints: ['run it again'] })
      break
    }
    try {
      await rewrite()
      keys += forms.length
    } catch (error) {
      if (!(error instanceof CertsError)) throw error
      failures.push(errorFacts(error))
      if (error instanceof ConfigError) break
    }
  }
  const right = places.filter(({ forms }) => forms.every((form) => form === wanted))
  return { keys, right: right.flatMap(({ forms }) => forms).length, failures }
}
