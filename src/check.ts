import { inspect } from '../deploy/inspect.ts'
import type { App } from './app.ts'
import { atMost, nodesAtOnce } from './core/at-most.ts'
import type { CaSettings } from './config/settings.ts'
import type { Certificate } from './core/certificate.ts'
import { findDrift } from './core/drift.ts'
import { sayCount } from './core/count.ts'
import { CertsError, errorFacts } from './core/errors.ts'
import type { ErrorFacts } from './core/errors.ts'
import type { Inspection, Node } from './core/node.ts'
import type { CaaLock } from './core/caa-lock.ts'
import { printableLine } from './core/printable.ts'
import { checkRotation } from './check-account.ts'
import { checkKeys } from './check-keys.ts'
import { createPreflight } from './preflight.ts'
import type { PreflightLooks, Proof } from './preflight.ts'
import { lookAtStanding } from './standing.ts'

export interface CheckFinding {
  readonly what: 'configuration' | 'state' | 'keys' | 'secret' | 'CA' | 'DNS' | 'CAA' | 'node'
  readonly on: string
  readonly said: string
  readonly error?: ErrorFacts
  /** Nothing fails for it today: only another CA than the first could not be used. */
  readonly warning?: ErrorFacts
}

/** The CAA records that would lock issuance for all configured names to our account. */
export function findCaaLocks(app: App): Promise<CaaLock[]> {
  return createPreflight(app).locks(proofsOf(app))
}

/** Each configured name once, with the methods of all certificates that have it. */
function proofsOf({ settings }: App): Proof[] {
  const all = Object.values(settings.certificates).flatMap(({ names, challenge }) =>
    names.map((identifier) => ({ identifier, challenge })),
  )
  const grouped = Map.groupBy(all, ({ identifier }) => identifier)
  return [...grouped].map(([identifier, of]) => ({
    identifier,
    methods: [...new Set(of.map(({ challenge }) => challenge))],
  }))
}

/** Everything that a run would need, each proved by itself; reads only. */
export async function checkAll(app: App): Promise<CheckFinding[]> {
  const { settings, store } = app
  const looks = createPreflight(app)
  const inTurn = atMost(nodesAtOnce)
  const certificates = Object.values(settings.certificates)
  const nodes = Object.values(settings.nodes)
  const configured = `${sayCount(certificates.length, 'certificate')}, ${sayCount(nodes.length, 'node')}`
  const checks = [
    attempt('configuration', settings.file, async () => {
      refuseTooLarge(certificates, settings.rollout.maxNodes)
      return configured
    }),
    attempt('state', store.place, async () => {
      await store.list('orders')
      return 'readable'
    }),
    askKeys(app),
    ...Object.keys(settings.dns).map((name) => attempt('secret', `dns.${name}`, () => askSecret(app, name))),
    ...app.cas.all.map(({ directory }) => attempt('CA', directory, () => askCa(looks, directory))),
    ...app.cas.all.map(({ directory }) => checkRotation(app, directory)),
    ...certificates.map((certificate) => askProofs(app, looks, certificate)),
    ...proofsOf(app).flatMap((proof) => app.cas.all.map((ca) => checkCaa(app, looks, { proof, ca }))),
    ...nodes.map((node) => inTurn(() => attempt('node', node.name, () => askNode(app, node)))),
  ]
  return (await Promise.all<CheckFinding | CheckFinding[]>(checks)).flat()
}

/** How private keys lie in the state. */
async function askKeys(app: App): Promise<CheckFinding> {
  let warning: ErrorFacts | undefined
  const finding = await attempt('keys', app.store.place, async () => {
    const found = await checkKeys(app)
    warning = found.warning
    return found.said
  })
  return { ...finding, ...(warning && { warning }) }
}

/** Where TXT records would be written, or whether those that stay are there. */
async function askProofs(app: App, looks: PreflightLooks, certificate: Certificate): Promise<CheckFinding[]> {
  if (certificate.challenge === 'dns-persist-01') {
    const standing = app.cas.all.map((ca) => askStanding(app, looks, { certificate, ca }))
    return (await Promise.all(standing)).flat()
  }
  return Promise.all(
    certificate.names.map((name) => attempt('DNS', name, () => askDns(app, looks, { certificate, name }))),
  )
}

/** The records that stay, each proved by itself; a note is worth a look before it turns into a refusal. */
async function askStanding(
  app: App,
  looks: PreflightLooks,
  { certificate, ca }: { readonly certificate: Certificate; readonly ca: CaSettings },
): Promise<CheckFinding[]> {
  const looked = await lookAtStanding(app, looks, { certificate, directory: ca.directory })
  return Promise.all(
    looked.map(async (one) => {
      const finding = await attempt('DNS', `${one.identifier}${sayCa(app, ca)}`, async () => {
        if ('error' in one) throw refusal(one.error)
        if ('note' in one && one.note) throw refusal(one.note)
        await askServers(looks, one.zone)
        const place = `TXT ${one.name} in zone ${one.zone}`
        const stands = 'stands' in one ? one.stands : undefined
        if (stands === undefined) return `${place} was not looked at: the CA could not be asked`
        return `${place} stands: ${printableLine(stands, { max: 500 })}`
      })
      return judgeFor(app, ca, finding)
    }),
  )
}

/** What a run that nobody watches could never roll out. */
function refuseTooLarge(certificates: readonly Certificate[], maxNodes = Infinity): void {
  const large = certificates.find(({ nodes }) => nodes.length > maxNodes)
  if (!large) return
  const nodes = sayCount(large.nodes.length, 'node')
  throw new CertsError(
    `${large.name} is on ${nodes}, and rollout.maxNodes is ${maxNodes}: certs renew will refuse its next version`,
    {
      hint: `set rollout.maxNodes to ${large.nodes.length} or more, or roll out by hand: certs rollout ${large.name} --force`,
    },
  )
}

async function attempt(
  what: CheckFinding['what'],
  on: string,
  act: () => Promise<string>,
): Promise<CheckFinding> {
  try {
    return { what, on, said: await act() }
  } catch (error) {
    if (!(error instanceof CertsError)) throw error
    return { what, on, said: error.message, error: errorFacts(error) }
  }
}

async function askSecret(app: App, name: string): Promise<string> {
  await app.provider(name)
  return 'readable'
}

async function askCa(looks: PreflightLooks, directory: string): Promise<string> {
  const { profiles, clock, profile } = await looks.ca(directory)
  const obstacle = clock ?? profile
  if (obstacle) throw refusal(obstacle)
  return profiles.length === 0
    ? 'answers'
    : `answers, profiles ${profiles.map(({ name }) => name).join(', ')}`
}

interface CaaAsked {
  readonly proof: Proof
  readonly ca: CaSettings
}

async function checkCaa(app: App, looks: PreflightLooks, { proof, ca }: CaaAsked): Promise<CheckFinding> {
  const on = `${proof.identifier}${sayCa(app, ca)}`
  return judgeFor(app, ca, await attempt('CAA', on, () => askCaa(looks, proof, ca.directory)))
}

/** Where there is a choice. */
function sayCa({ cas }: App, { name }: CaSettings): string {
  return cas.all.length === 1 ? '' : ` by ${name}`
}

/** What keeps only a fallback from issuing is a warning: the first CA still does. */
function judgeFor({ cas }: App, ca: CaSettings, { error, ...finding }: CheckFinding): CheckFinding {
  if (!error) return finding
  return ca === cas.all[0] ? { ...finding, error } : { ...finding, warning: error }
}

async function askCaa(
  looks: PreflightLooks,
  { identifier, methods }: Proof,
  directory: string,
): Promise<string> {
  // Why the CA can't be asked is said once, where it is looked at by itself.
  const asked = await looks.ca(directory).catch((error: unknown) => {
    if (error instanceof CertsError) return undefined
    throw error
  })
  const issuer = asked?.issuer ?? { identities: [], account: undefined }
  const finding = await looks.caa(identifier, { ...issuer, methods })
  if (finding.kind === 'allowed') return finding.said
  if (finding.kind === 'warning') return finding.facts.message
  throw refusal(finding.facts)
}

function refusal({ message, hints, detail }: ErrorFacts): CertsError {
  return new CertsError(message, { hint: hints, detail })
}

async function askDns(app: App, looks: PreflightLooks, { certificate, name }: Asked): Promise<string> {
  const solver = await app.solver(certificate)
  const place = await solver.locate(name, app.io.signal)
  await askServers(looks, place.zone)
  return `TXT ${place.name} in zone ${place.zone}, by ${place.provider}`
}

async function askServers(looks: PreflightLooks, zone: string): Promise<void> {
  const { refusals, warnings } = await looks.servers(zone)
  for (const facts of [...refusals, ...warnings]) throw refusal(facts)
}

interface Asked {
  readonly certificate: Certificate
  readonly name: string
}

/** Logs in, inspects, and says what would stop a rollout. */
async function askNode(app: App, node: Node): Promise<string> {
  const here = Object.values(app.settings.certificates).filter(({ nodes }) => nodes.includes(node.name))
  const names = here.map(({ name }) => name)
  const inspection = await inspect(await app.fleet.shell(node), node, names, { signal: app.io.signal })
  const drift = here.flatMap(({ name: certificate, services }) =>
    findDrift({
      node: node.name,
      certificate,
      services,
      wanted: undefined,
      inspection,
      served: [],
      now: app.io.now(),
    }),
  )
  const blocked = drift.find(({ kind }) => kind === 'blocked')
  if (blocked?.kind === 'blocked') {
    throw new CertsError(`${node.name}: ${blocked.because}`, { hint: blocked.hint, detail: blocked.detail })
  }
  if (inspection.program === 'outdated') {
    throw new CertsError(`${node.name}: the program installed there is of another version of certs`, {
      hint: `certs nodes setup ${node.name} --apply --login root`,
    })
  }
  const how =
    inspection.exchange === 'none'
      ? 'links are switched one by one'
      : `live is exchanged at once by ${inspection.exchange}`
  const reached = node.ssh ? `logged in as ${node.ssh.user}` : 'it is this machine'
  const may = inspection.program ? ', who may do nothing else' : node.sudo ? ' with sudo' : ''
  return `${reached}${may}, ${sayTests(inspection)}, ${how}`
}

function sayTests({ services }: Inspection): string {
  const tests = Object.values(services).map(({ test }) => `${test.command} ${test.ok ? 'passes' : 'fails'}`)
  return tests.join(', ')
}
