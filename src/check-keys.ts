import type { App } from './app.ts'
import { sayCount } from './core/count.ts'
import { CertsError, errorFacts } from './core/errors.ts'
import type { ErrorFacts } from './core/errors.ts'
import { countKeys, sayStray } from './keys-at-rest.ts'
import type { KeyCount } from './keys-at-rest.ts'
import { refuseOpenFile } from './secrets.ts'
import type { SecretSource } from './secrets.ts'

export interface KeysFinding {
  readonly said: string
  /** Something is not as configured, or the identity can't be had here: a run that needs it may have it. */
  readonly warning?: ErrorFacts
}

/**
 * How private keys lie in the state, and that the identity opens them. Throws ConfigError where there is an identity
 * that does not fit: with that one, no run could.
 */
export async function checkKeys(app: App): Promise<KeysFinding> {
  const { encryptTo, identity } = app.settings.state
  const count = await countKeys(app)
  if (encryptTo.length === 0 && count.sealed + count['sealed-otherwise'] === 0) {
    return { said: 'in the clear, readable by this user alone' }
  }
  const unread = identity === undefined ? withoutIdentity : await tryToRead(app, identity)
  if (!unread) await app.store.keys.prove()
  const opens = unread
    ? [unread.message]
    : encryptTo.length === 0
      ? []
      : ['the identity opens what is sealed']
  const warning = join([unread, sayStray(app, count)])
  return { said: [sayCounts(count), ...opens].join('; '), ...(warning && { warning }) }
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
