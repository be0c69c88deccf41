import type { App } from './app.ts'
import { sayCount } from './core/count.ts'
import { CertsError, errorFacts, StateError } from './core/errors.ts'
import type { ErrorFacts } from './core/errors.ts'
import { countKeys, openAll, sayStray } from './keys-at-rest.ts'
import type { KeyCount } from './keys-at-rest.ts'
import { refuseOpenFile } from './secrets.ts'
import type { SecretSource } from './secrets.ts'

export interface KeysFinding {
  readonly said: string
  /** Something is not as configured, or the identity can't be had here: a run that needs it may have it. */
  readonly warning?: ErrorFacts
}

/**
 * How private keys lie in the state, and that the identity opens them. Throws ConfigError or StateError where there is an
 * identity, and it does not open what a run would need.
 */
export async function checkKeys(app: App): Promise<KeysFinding> {
  const { encryptTo, identity } = app.settings.state
  const count = await countKeys(app)
  if (encryptTo.length === 0 && count.sealed + count['sealed-otherwise'] === 0) {
    return { said: 'in the clear, readable by this user alone' }
  }
  const unread = identity === undefined ? withoutIdentity : await tryToRead(app, identity)
  if (!unread) await proveAll(app)
  const opens = unread?.message ?? 'the identity opens those that are in use'
  const warning = join([unread, sayStray(app, count)])
  return { said: `${sayCounts(count)}; ${opens}`, ...(warning && { warning }) }
}

async function proveAll(app: App): Promise<void> {
  await app.store.keys.prove()
  const [first, ...more] = await openAll(app)
  if (!first) return
  const others = more.length === 0 ? '' : ` (and ${more.length} more like this)`
  throw new StateError(`${first.message}${others}`, { hint: first.hints, detail: first.detail })
}

async function tryToRead(app: App, identity: SecretSource): Promise<ErrorFacts | undefined> {
  await refuseOpenFile(identity, 'state.identity')
  const unread = await app.readIdentity().then(() => undefined, errorOf)
  return unread && { ...unread, hints: [...unread.hints, stillWorks] }
}

function sayCounts({ clear, sealed, 'sealed-otherwise': otherwise }: KeyCount): string {
  const parts = [
    ...(sealed > 0 ? [`${sayCount(sealed, 'key')} sealed`] : []),
    ...(otherwise > 0 ? [`${sayCount(otherwise, 'key')} sealed to other recipients`] : []),
    ...(clear > 0 ? [`${sayCount(clear, 'key')} in the clear`] : []),
  ]
  return parts.join(', ') || 'no key yet'
}

function join(warnings: readonly (ErrorFacts | undefined)[]): ErrorFacts | undefined {
  const all = warnings.filter((one) => one !== undefined)
  if (all.length === 0) return undefined
  return { message: all.map(({ message }) => message).join('; '), hints: all.flatMap(({ hints }) => hints) }
}

const stillWorks =
  'plan, status and a renewal of which nothing is due work without it; issuing and rolling out do not'

const withoutIdentity: ErrorFacts = {
  message: 'keys are sealed, and state.identity is not configured',
  hints: ["set state.identity: { file: 'identity.txt' } (or { env } or { command })", stillWorks],
}

function errorOf(error: unknown): ErrorFacts {
  if (!(error instanceof CertsError)) throw error
  return errorFacts(error)
}
