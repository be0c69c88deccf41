import type { App } from './app.ts'
import type { Issuer } from './core/caa.ts'
import { judgeClock } from './core/clock.ts'
import { CertsError } from './core/errors.ts'
import type { ErrorFacts } from './core/errors.ts'
import type { PersistAccount } from './core/persist-record.ts'
import { judgeProfile } from './core/profile.ts'
import type { Profile } from './core/profile.ts'

/** What is known of a CA without an order. */
export interface AskedCa {
  readonly issuer: Issuer
  /** Who dns-persist-01 records must name; its `account` is absent before there is one. */
  readonly persist: { readonly issuers: readonly string[]; readonly account: PersistAccount | undefined }
  readonly profiles: readonly Profile[]
  /** Why nothing may be issued by this machine's clock. */
  readonly clock: ErrorFacts | undefined
  /** Why it does not take the configured profile. */
  readonly profile: ErrorFacts | undefined
}

/** Where there is another CA to go to, one that keeps silent is not waited for as long. */
const impatientMs = 10_000

/** Reads a CA's directory. Throws AcmeError, or ConfigError where a setting of the CA can't be read. */
export async function askCa({ cas, store, io }: App, directory: string): Promise<AskedCa> {
  const [{ readDirectory }, { accountAt }, { defaultPace }] = await Promise.all([
    import('./acme/directory.ts'),
    import('./acme/account.ts'),
    import('./acme/pace.ts'),
  ])
  const acme = await cas.settings(directory)
  const pace = cas.all.length > 1 ? { ...defaultPace, requestMs: impatientMs } : defaultPace
  const [asked, account] = await Promise.all([
    readDirectory(acme, io.signal, { now: io.now, pace }),
    accountAt(store, acme),
  ])
  const { date: theirs, profiles, caaIdentities: identities } = asked
  const { persistIssuers: issuers, accountHashPrefix: hashPrefix } = asked
  const clock = theirs && judgeClock({ ours: io.now(), theirs })
  const profile = judgeProfile(acme.profile, profiles, { host: new URL(directory).host, place: acme.place })
  return {
    issuer: { identities, account: account?.url },
    persist: { issuers, account: account && { ...account, hashPrefix } },
    profiles,
    clock,
    profile,
  }
}

/** A lock that did not name the CA and our account at it would lock us out there. */
export function refuseToLockOut({ identities, account }: Issuer, directory: string): void {
  const { host } = new URL(directory)
  if (identities.length === 0) {
    throw new CertsError(`writing CAA records for ${host} failed: the CA does not say its CAA identity`, {
      hint: 'its documentation does; set issue "IDENTITY" by hand',
    })
  }
  if (account !== undefined) return
  throw new CertsError(`writing CAA records for ${host} failed: there is no account at it yet`, {
    hint: 'make it: certs account create',
  })
}
