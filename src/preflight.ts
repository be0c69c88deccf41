import type { App } from './app.ts'
import { findCaaObstacle } from './core/caa-finding.ts'
import type { CaaFinding } from './core/caa-finding.ts'
import { lockCaa } from './core/caa-lock.ts'
import type { CaaLock } from './core/caa-lock.ts'
import type { Issuer } from './core/caa.ts'
import type { Certificate, ChallengeMethod } from './core/certificate.ts'
import { judgeClock } from './core/clock.ts'
import { CertsError, ConfigError, errorFacts } from './core/errors.ts'
import type { ErrorFacts } from './core/errors.ts'
import type { ChallengeObservation, Preflight } from './core/observed.ts'
import { judgeProfile } from './core/profile.ts'
import type { PersistAccount } from './core/persist-record.ts'
import type { Profile } from './core/profile.ts'
import { BogusDnssec } from './dns/dnssec.ts'
import type { NameServerHealth } from './dns/name-server-health.ts'

/** What is known of the CA without an order. */
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

/** An identifier, and how control of it is proved. */
export interface Proof {
  readonly identifier: string
  readonly methods: readonly ChallengeMethod[]
}

export interface PreflightLooks {
  /** Reads the CA's directory once. Throws AcmeError, or ConfigError where a setting of `acme` can't be read. */
  ca(): Promise<AskedCa>
  /** Throws ProviderError when DNS does not say. */
  caa(identifier: string, issuer: Issuer): Promise<CaaFinding>
  /** The records that would let our account issue for these identifiers and nobody else. Throws CertsError. */
  locks(proofs: readonly Proof[]): Promise<CaaLock[]>
  /** Whether the name servers of a zone answer for it. */
  servers(zone: string): Promise<Preflight>
  /** What would stop or disturb an issuance, found out before anything is ordered. */
  of(certificate: Certificate, locating: Promise<readonly ChallengeObservation[]>): Promise<Preflight>
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
    if ('failed' in finding) {
      // The CA asks from elsewhere and may get an answer where we do not; but bogus is bogus everywhere.
      const refused = finding.error instanceof BogusDnssec
      return refused ? refusing(finding.failed) : warning(finding.failed)
    }
    if (finding.done.kind === 'allowed') return nothing
    return finding.done.kind === 'refusal' ? refusing(finding.done.facts) : warning(finding.done.facts)
  }

  async function issuerOf({ names, challenge }: Certificate): Promise<Preflight> {
    const asked = await settle(ca)
    if ('failed' in asked) {
      return asked.error instanceof ConfigError ? refusing(asked.failed) : warning(asked.failed)
    }
    const { issuer, clock, profile } = asked.done
    const by = { ...issuer, methods: [challenge] }
    const looked = await Promise.all(names.map((name) => caaOf(name, by)))
    const obstacles = [clock, profile].filter((one) => one !== undefined)
    return join([...obstacles.map(refusing), ...looked])
  }

  const servers = onceEach(async (zone) => serversOf(zone, (await dns()).askServers))

  async function locks(proofs: readonly Proof[]): Promise<CaaLock[]> {
    const [{ issuer }, { findCaa, zoneOf }] = await Promise.all([ca(), dns()])
    refuseWithoutName(issuer, app.cas.all[0].directory)
    const looks = proofs.map(async ({ identifier, methods }) => {
      const found = await findCaa(identifier, signal)
      return { found, methods, zone: await zoneOf(found.owner) }
    })
    return lockCaa(await Promise.all(looks), issuer)
  }

  return {
    ca,
    caa,
    locks,
    servers,
    async of(certificate, locating) {
      const serversOfAll = locating.then((challenges) => {
        const zones = new Set(challenges.flatMap((one) => ('zone' in one ? one.zone : [])))
        return Promise.all([...zones].map(servers))
      })
      const [issuer, health] = await Promise.all([issuerOf(certificate), serversOfAll])
      return join([issuer, ...health])
    },
  }
}

const nothing: Preflight = { refusals: [], warnings: [] }
const refusing = (facts: ErrorFacts): Preflight => ({ refusals: [facts], warnings: [] })
const warning = (facts: ErrorFacts): Preflight => ({ refusals: [], warnings: [facts] })

function join(parts: readonly Preflight[]): Preflight {
  return {
    refusals: parts.flatMap(({ refusals }) => refusals),
    warnings: parts.flatMap(({ warnings }) => warnings),
  }
}

async function serversOf(zone: string, ask: (zone: string) => Promise<NameServerHealth>): Promise<Preflight> {
  const looked = await settle(() => ask(zone))
  if ('failed' in looked) return warning(looked.failed)
  const { answering, ill } = looked.done
  if (ill.length === 0) return nothing
  const facts = {
    message: `not all name servers of ${zone} answer: ${ill.join('; ')}`,
    hints: [`a challenge waits for all of them: mend them, or take them out of the NS records of ${zone}`],
  }
  return answering === 0 ? refusing(facts) : warning(facts)
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
    hint: 'make it: certs account create',
  })
}

async function askCa(app: App): Promise<AskedCa> {
  const [{ readDirectory }, { accountAt }] = await Promise.all([
    import('./acme/directory.ts'),
    import('./acme/account.ts'),
  ])
  const acme = await app.cas.settings(app.cas.all[0].directory)
  const [directory, account] = await Promise.all([
    readDirectory(acme, app.io.signal, { now: app.io.now }),
    accountAt(app.store, acme),
  ])
  const { date: theirs, profiles, caaIdentities: identities } = directory
  const { persistIssuers: issuers, accountHashPrefix: hashPrefix } = directory
  const clock = theirs && judgeClock({ ours: app.io.now(), theirs })
  const profile = judgeProfile(acme.profile, profiles, new URL(acme.directory).host)
  return {
    issuer: { identities, account: account?.url },
    persist: { issuers, account: account && { ...account, hashPrefix } },
    profiles,
    clock,
    profile,
  }
}

async function openDns({ settings, io }: App) {
  const [{ createResolver }, { createFindCaa }, { findZone }, { askNameServers }] = await Promise.all([
    import('./dns/resolver.ts'),
    import('./dns/caa.ts'),
    import('./dns/zone.ts'),
    import('./dns/name-server-health.ts'),
  ])
  const resolver = createResolver(settings.resolvers)
  return {
    findCaa: createFindCaa(resolver),
    zoneOf: onceEach((name) => findZone(name, resolver, io.signal)),
    askServers: (zone: string) => askNameServers(zone, resolver, { signal: io.signal }),
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

function onceEach<T>(make: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const made = new Map<string, Promise<T>>()
  return (key) => {
    const known = made.get(key) ?? make(key)
    made.set(key, known)
    return known
  }
}
