import type { App } from './app.ts'
import { findCaaObstacle } from './core/caa-finding.ts'
import type { CaaFinding } from './core/caa-finding.ts'
import { lockCaa } from './core/caa-lock.ts'
import type { CaaLock } from './core/caa-lock.ts'
import type { Issuer } from './core/caa.ts'
import type { Certificate } from './core/certificate.ts'
import { judgeClock } from './core/clock.ts'
import { CertsError, ConfigError, errorFacts } from './core/errors.ts'
import type { ErrorFacts } from './core/errors.ts'
import type { Preflight } from './core/observed.ts'

/** What is known of the CA without an order. */
export interface AskedCa {
  readonly issuer: Issuer
  readonly profiles: readonly string[]
  /** Why nothing may be issued by this machine's clock. */
  readonly clock: ErrorFacts | undefined
}

export interface PreflightLooks {
  /** Reads the CA's directory once. Throws AcmeError, or ConfigError where a setting of `acme` can't be read. */
  ca(): Promise<AskedCa>
  /** Throws ProviderError when DNS does not say. */
  caa(identifier: string, issuer: Issuer): Promise<CaaFinding>
  /** The records that would let our account issue for these identifiers and nobody else. Throws CertsError. */
  locks(identifiers: readonly string[]): Promise<CaaLock[]>
  /** What would stop or disturb an issuance, found out before anything is ordered. */
  of(certificate: Certificate): Promise<Preflight>
}

/** Looks that many certificates share are made once. */
export function createPreflight(app: App): PreflightLooks {
  const { signal } = app.io
  const dns = once(() => openDns(app))
  const ca = once(() => askCa(app))

  async function caa(identifier: string, issuer: Issuer): Promise<CaaFinding> {
    const { findCaa, zoneOf } = await dns()
    const found = await findCaa(identifier, signal)
    const zone = found.records.length > 0 ? await zoneOf(found.owner) : ''
    return findCaaObstacle({ identifier, found, issuer, zone })
  }

  async function caaOf(identifier: string, issuer: Issuer): Promise<Preflight> {
    const finding = await settle(() => caa(identifier, issuer))
    // The CA asks from elsewhere and may get an answer: what can't be looked up here is for it to judge.
    if ('failed' in finding) return { refusals: [], warnings: [finding.failed] }
    return {
      refusals: finding.done.kind === 'refusal' ? [finding.done.facts] : [],
      warnings: finding.done.kind === 'warning' ? [finding.done.facts] : [],
    }
  }

  async function locks(identifiers: readonly string[]): Promise<CaaLock[]> {
    const [{ issuer }, { findCaa, zoneOf }] = await Promise.all([ca(), dns()])
    refuseWithoutName(issuer, app.settings.acme.directory)
    const looks = identifiers.map(async (identifier) => {
      const found = await findCaa(identifier, signal)
      return { found, zone: await zoneOf(found.owner) }
    })
    return lockCaa(await Promise.all(looks), issuer)
  }

  return {
    ca,
    caa,
    locks,
    async of({ names }) {
      const asked = await settle(ca)
      if ('failed' in asked) {
        return asked.error instanceof ConfigError
          ? { refusals: [asked.failed], warnings: [] }
          : { refusals: [], warnings: [asked.failed] }
      }
      const { issuer, clock } = asked.done
      const looked = await Promise.all(names.map((name) => caaOf(name, issuer)))
      return {
        refusals: [...(clock ? [clock] : []), ...looked.flatMap(({ refusals }) => refusals)],
        warnings: looked.flatMap(({ warnings }) => warnings),
      }
    },
  }
}

function refuseWithoutName({ identities, account }: Issuer, directory: string): void {
  const { host } = new URL(directory)
  if (identities.length === 0) {
    throw new CertsError(`writing CAA records for ${host} failed: the CA does not say its CAA identity`, {
      hint: 'its documentation does; set issue "IDENTITY" by hand',
    })
  }
  if (account !== undefined) return
  throw new CertsError(`writing CAA records for ${host} failed: there is no account at it yet`, {
    hint: 'the first issuance registers one: certs rollout NAME',
  })
}

async function askCa(app: App): Promise<AskedCa> {
  const [{ readDirectory }, { accountUrl }] = await Promise.all([
    import('./acme/directory.ts'),
    import('./acme/account.ts'),
  ])
  const acme = await app.acme()
  const [directory, account] = await Promise.all([
    readDirectory(acme, app.io.signal, { now: app.io.now }),
    accountUrl(app.store, acme),
  ])
  const { date: theirs, profiles, caaIdentities: identities } = directory
  const clock = theirs && judgeClock({ ours: app.io.now(), theirs })
  return { issuer: { identities, account }, profiles, clock }
}

async function openDns({ settings, io }: App) {
  const [{ createResolver }, { createFindCaa }, { findZone }] = await Promise.all([
    import('./dns/resolver.ts'),
    import('./dns/caa.ts'),
    import('./dns/zone.ts'),
  ])
  const resolver = createResolver(settings.resolvers)
  return {
    findCaa: createFindCaa(resolver),
    zoneOf: (name: string) => findZone(name, resolver, io.signal),
  }
}

type Settled<T> = { readonly done: T } | { readonly failed: ErrorFacts; readonly error: CertsError }

async function settle<T>(act: () => Promise<T>): Promise<Settled<T>> {
  try {
    return { done: await act() }
  } catch (error) {
    if (!(error instanceof CertsError)) throw error
    return { failed: errorFacts(error), error }
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}
