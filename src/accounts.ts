import { accountUrl, openAccount } from './acme/account.ts'
import { defaultPace } from './acme/pace.ts'
import type { App } from './app.ts'

export interface AccountMade {
  /** URL of the CA's directory. */
  readonly directory: string
  /** The account's URL. */
  readonly account: string
  /** False where there was one before. */
  readonly made: boolean
}

/** Our account at every configured CA, made where there is none. Throws AcmeError, ConfigError, StateError. */
export async function createAccounts({ cas, store, emit, io, run }: App): Promise<AccountMade[]> {
  const { now, signal } = io
  const made: AccountMade[] = []
  for (const { directory } of cas.all) {
    const settings = await cas.settings(directory)
    const before = await accountUrl(store, settings)
    const deps = { store, emit, now, signal, run }
    using ca = await openAccount(deps, { settings, pace: defaultPace })
    const { url } = await ca.persistAccount()
    made.push({ directory, account: url, made: before === undefined })
  }
  return made
}
