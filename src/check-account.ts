import type { App } from './app.ts'
import type { CheckFinding } from './check.ts'
import { sayInstant } from './core/duration.ts'
import { CertsError } from './core/errors.ts'

/** A change of our account's key that is not over. The next issuance ends it, too; so it is a warning. */
export async function checkRotation(app: App, directory: string): Promise<CheckFinding[]> {
  const account = await app.accountKey.find(directory).catch((error: unknown) => {
    // There is no account yet, or the CA's settings can't be read, which is said where the CA is looked at.
    if (error instanceof CertsError) return undefined
    throw error
  })
  if (account?.begunAt === undefined) return []
  const said = `a change of our account's key, begun at ${sayInstant(account.begunAt)}, is not over`
  const hints = [`certs account rotate ${new URL(directory).host}   brings it to its end`]
  return [{ what: 'CA', on: directory, said, warning: { message: said, hints } }]
}
