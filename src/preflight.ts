import type { App } from './app.ts'
import { askCa, refuseToLockOut } from './ask-ca.ts'
import type { AskedCa } from './ask-ca.ts'
import { findCaaObstacle } from './core/caa-finding.ts'
import type { CaaFinding } from './core/caa-finding.ts'
import { lockCaa } from './core/caa-lock.ts'
import type { CaaLock } from './core/caa-lock.ts'
import type { Issuer } from './core/caa.ts'
import type { Certificate, ChallengeMethod } from './core/certificate.ts'
import { AcmeError, CertsError, ConfigError, errorFacts } from './core/errors.ts'
import type { ErrorFacts } from './core/errors.ts'
import type { CaLook, ChallengeObservation, Preflight } from './core/observed.ts'
import { BogusDnssec } from './dns/dnssec.ts'
import type { NameServerHealth } from './dns/name-server-health.ts'

/** An identifier, and how control of it is proved. */
export interface Proof {
  readonly identifier: string
  readonly methods: readonly ChallengeMethod[]
}

export interface PreflightLooks {
  /** Reads a CA's directory once. Throws AcmeError, or ConfigError where a setting of the CA can't be read. */
  ca(directory: string): Promise<AskedCa>
  /** Throws ProviderError when DNS does not say. */
  caa(identifier: string, issuer: Issuer): Promise<CaaFinding>
  /** The records that would let our accounts issue for these identifiers and nobody else. Throws CertsError. */
  locks(proofs: readonly Proof[]): Promise<CaaLock[]>
  /** Whether the name servers of a zone answer for it. */
  servers(zone: string): Promise<Preflight>
  /** What keeps the key of a new version from being sealed, or a sealed one from being opened. */
  keys(): Promise<Preflight>
  /** What of the DNS would stop or disturb an issuance by any CA, found out before anything is ordered. */
  dns(locating: Promise<readonly ChallengeObservation[]>): Promise<Preflight>
  /** What would stop or disturb an issuance by the CA with this directory. */
  at(directory: string, certificate: Certificate): Promise<CaLook>
}

/** Looks that many certificates share are made once. */
export function createPreflight(app: App): PreflightLooks {
  const { signal } = app.io
  const dns = once(() => openDns(app))
  const ca = onceEach((directory) => askCa(app, directory))

  async function caa(identifier: string, issuer: Issuer): Promise<CaaFinding> {
    const { findCaa, zoneOf } = await dns()
    const found = await findCaa(identifier, signal)
    const zone = found.records.length > 0 ? await zoneOf(found.owner) : ''
    return findCaaObstacle({ identifier, found, issuer, zone })
  }

  async function caaOf(identifier: string, issuer: Issuer): Promise<Part> {
    const finding = await settle(() => caa(identifier, issuer))
    if ('failed' in finding) {
      // The CA asks from elsewhere and may get an answer where we do not; but bogus is bogus everywhere.
      return { [finding.error instanceof BogusDnssec ? 'faults' : 'warnings']: [finding.failed] }
    }
    if (finding.done.kind === 'allowed') return {}
    return { [finding.done.kind === 'refusal' ? 'refusals' : 'warnings']: [finding.done.facts] }
  }

  async function at(directory: string, { names, challenge }: Certificate): Promise<CaLook> {
    const asked = await settle(() => ca(directory))
    if ('failed' in asked) return lookOf(directory, [partOfSilence(asked)])
    const { issuer, clock, profile } = asked.done
    const by = { ...issuer, methods: [challenge] }
    const faults = [clock, profile].filter((one) => one !== undefined)
    return lookOf(directory, [{ faults }, ...(await Promise.all(names.map((name) => caaOf(name, by))))])
  }

  const servers = onceEach(async (zone) => serversOf(zone, (await dns()).askServers))

  async function locks(proofs: readonly Proof[]): Promise<CaaLock[]> {
    const { all } = app.cas
    const asked = await Promise.all(all.map(({ directory }) => ca(directory)))
    for (const [index, { issuer }] of asked.entries()) refuseToLockOut(issuer, all[index]!.directory)
    const { findCaa, zoneOf } = await dns()
    const looks = proofs.map(async ({ identifier, methods }) => {
      const found = await findCaa(identifier, signal)
      return { found, methods, zone: await zoneOf(found.owner) }
    })
    const issuers = asked.map(({ issuer }) => issuer)
    return lockCaa(await Promise.all(looks), issuers)
  }

  return {
    ca,
    caa,
    locks,
    servers,
    at,
    keys: once(async () => {
      const proved = await settle(() => app.store.keys.prove())
      return 'failed' in proved ? refusing(proved.failed) : nothing
    }),
    async dns(locating) {
      const zones = new Set((await locating).flatMap((one) => ('zone' in one ? one.zone : [])))
      return join(await Promise.all([...zones].map(servers)))
    },
  }
}

type Part = Partial<Omit<CaLook, 'directory'>>

function lookOf(directory: string, parts: readonly Part[]): CaLook {
  return {
    directory,
    down: parts.find(({ down }) => down)?.down,
    refusals: parts.flatMap(({ refusals = [] }) => refusals),
    faults: parts.flatMap(({ faults = [] }) => faults),
    warnings: parts.flatMap(({ warnings = [] }) => warnings),
  }
}

/** What else can't be read now may be read when the order is made, or says so then. */
function partOfSilence({ failed, error }: { failed: ErrorFacts; error: CertsError }): Part {
  if (error instanceof ConfigError) return { faults: [failed] }
  return error instanceof AcmeError ? { down: failed } : { warnings: [failed] }
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
