import { accountUrl, openAccount } from './acme/account.ts'
import { defaultPace } from './acme/pace.ts'
import type { App } from './app.ts'
import { CertsError, errorFacts } from './core/errors.ts'
import type { ErrorFacts } from './core/errors.ts'

export type AccountMade =
  | {
      /** URL of the CA's directory. */
      readonly directory: string
      /** The account's URL. */
      readonly account: string
      /** False where there was one before. */
      readonly made: boolean
    }
  | { readonly directory: string; readonly error: ErrorFacts }

/** Our account at every configured CA, made where there is none; one that fails stops no other. */
export async function createAccounts(app: App): Promise<AccountMade[]> {
  const results: AccountMade[] = []
  for (const { directory } of app.cas.all) {
    try {
      results.push(await createAccount(app, directory))
    } catch (error) {
      if (!(error instanceof CertsError)) throw error
      results.push({ directory, error: errorFacts(error) })
    }
  }
  return results
}

async function createAccount({ cas, store, emit, io, run }: App, directory: string): Promise<AccountMade> {
  const { now, signal } = io
  const settings = await cas.settings(directory)
  const before = await accountUrl(store, settings)
  using ca = await openAccount({ store, emit, now, signal, run }, { settings, pace: defaultPace })
  const { url } = await ca.persistAccount()
  return { directory, account: url, made: before === undefined }
}
