import type { App } from '../app.ts'
import { sayCount } from '../core/count.ts'
import { renderErrorFacts } from '../core/render-error.ts'
import type { Io } from '../io.ts'
import type { Rewritten } from '../keys-at-rest.ts'
import { record } from '../record.ts'
import { exitCode } from './command.ts'
import type { Invocation } from './command.ts'
import { withApp } from './session.ts'
import { writeJson } from './write-json.ts'

interface Rewriting {
  /** In the journal. */
  readonly action: string
  readonly words: { readonly done: string; readonly right: string }
  /** Throws ConfigError where the configuration says otherwise. */
  readonly refuse: (app: App) => void
}

/** Brings every key of the state into the form that is configured, and says what was done. */
export async function rewriteState(
  invocation: Invocation,
  io: Io,
  { action, words, refuse }: Rewriting,
): Promise<number> {
  const done = await withApp(invocation, io, async (app, progress) => {
    refuse(app)
    await using _lock = await app.lock()
    const { countWrongKeys, rewriteKeys } = await import('../keys-at-rest.ts')
    const wrong = await countWrongKeys(app)
    if (wrong === 0) return await rewriteKeys(app)
    const recipients = app.settings.state.encryptTo.join(' ')
    const told = { ...(recipients !== '' && { recipients }) }
    const rewritten = await record(app, { action, facts: { keys: wrong, ...told } }, async () => {
      const result = await rewriteKeys(app)
      const facts = { keys: result.keys, left: result.failures.length, ...told }
      return { done: result, facts }
    })
    progress.clear()
    return rewritten
  })
  if (invocation.flag('json')) writeJson(io, done)
  else io.stdout.write(`${sayRewritten(done, words)}\n`)
  for (const failure of done.failures) io.stderr.write(renderErrorFacts(failure))
  return done.failures.length === 0 ? exitCode.done : exitCode.failed
}

function sayRewritten({ keys, right, failures }: Rewritten, words: Rewriting['words']): string {
  const failed = failures.length === 0 ? '' : `; ${sayCount(failures.length, 'failure')}, see below`
  if (keys > 0) {
    const before = right === 0 ? '' : `; ${right} ${right === 1 ? 'was' : 'were'} so before`
    return `${words.done} ${sayCount(keys, 'key')}${before}${failed}.`
  }
  if (failures.length > 0) return `Nothing was changed${failed}.`
  if (right === 0) return 'Nothing to do: there is no private key in the state.'
  return `Nothing to do: all ${sayCount(right, 'key')} ${right === 1 ? 'is' : 'are'} ${words.right}.`
}
