import { createFleet } from '../deploy/fleet.ts'
import type { Fleet } from '../deploy/fleet.ts'
import { createConnect } from '../deploy/ssh.ts'
import { providers } from '../providers/index.ts'
import type { Provider, Settings as ProviderSettings } from '../providers/provider.ts'
import type { Rotatable, Rotation } from './acme/account-rotation.ts'
import { atMost } from './core/at-most.ts'
import { openCas } from './cas.ts'
import type { Cas } from './cas.ts'
import { loadConfig } from './config/load.ts'
import type { Settings } from './config/settings.ts'
import type { Certificate, PublicVersion, Version } from './core/certificate.ts'
import type { Emit } from './core/event.ts'
import { ConfigError } from './core/errors.ts'
import type { Secret } from './core/secret.ts'
import type { Reason } from './core/withdrawal.ts'
import type { Solver } from './dns/solver.ts'
import type { Io } from './io.ts'
import { resolvePrivateSecret, resolveSecret } from './secrets.ts'
import { openMemory } from './memory.ts'
import type { Memory } from './memory.ts'
import { openRenewalInformation } from './renewal-information.ts'
import type { RenewalInformation } from './renewal-information.ts'
import { openFiles } from './state/files.ts'
import type { Store } from './state/store.ts'
import { openVault } from './state/vault.ts'
import { openWithdrawals } from './withdrawals.ts'
import type { Withdrawals } from './withdrawals.ts'

export { providers }

/** Everything a command works with, wired from the configuration. Secrets are read when first needed. */
export interface App extends AsyncDisposable {
  readonly io: Io
  readonly settings: Settings
  readonly store: Store
  readonly memory: Memory
  readonly withdrawals: Withdrawals
  readonly fleet: Fleet
  readonly emit: Emit
  /** Names this run in the journal. */
  readonly run: string
  /** Opens an entry of `dns`, which reads its secrets. Throws ConfigError when one can't be read. */
  provider(name: string): Promise<Provider>
  solver(certificate: Certificate): Promise<Solver>
  readonly cas: Cas
  readonly renewalInfo: RenewalInformation
  /** Writes down what the CA said, in a run that holds the lock; any other writes nothing. */
  keepRenewalInfo(): Promise<void>
  /** Takes up or begins the order at the CA with this directory, and returns the stored version. */
  issue(certificate: Certificate, number: number, at: IssueAt): Promise<Version>
  /** Tells the CA that issued it; nothing else. */
  revoke(version: PublicVersion, reason: Reason): Promise<void>
  readonly accountKey: AccountKey
  /** What opens sealed keys. Throws ConfigError when it is not configured or can't be read. */
  readIdentity(): Promise<Secret>
  /** Removes TXT records that an earlier run left behind. */
  sweepTxt(): Promise<void>
  /** Takes the one lock that every changing run needs. Throws LockedError. */
  lock(): Promise<AsyncDisposable>
}

/** The key of our account at the CA with this directory. */
export interface AccountKey {
  /** Throws CertsError where there is no account. */
  find(directory: string): Promise<Rotatable>
  /** Changes it at the CA; an open rotation is brought to its end instead. */
  rotate(directory: string): Promise<Rotation>
}

export interface IssueAt {
  readonly directory: string
  /** Another CA is tried when this one fails. */
  readonly impatient: boolean
}

export interface AppOptions {
  readonly config?: string | undefined
  readonly state?: string | undefined
  readonly emit: Emit
}

/** A CA bears it, and its delays are hidden. */
const renewalRequestsAtOnce = 8

export async function openApp(io: Io, options: AppOptions): Promise<App> {
  const { env, cwd, home, uid, signal, urgent, now } = io
  const settings = await loadConfig({
    file: options.config,
    state: options.state,
    env,
    cwd,
    home,
    uid,
    providers,
  })
  const { folder, encryptTo, identity } = settings.state
  let identityRead: Promise<Secret> | undefined
  const readIdentity =
    identity === undefined
      ? undefined
      : () => (identityRead ??= resolvePrivateSecret(identity, 'state.identity', env))
  const store = await openFiles(folder, openVault({ recipients: encryptTo, identity: readIdentity }))
  const memory = openMemory({ store, now, signal })
  const withdrawals = openWithdrawals(store)
  const fleet = createFleet(createConnect({ agentSocket: env['SSH_AUTH_SOCK'] }), { signal, urgent })
  const run = `${now().toISOString().slice(0, 19)}Z-${io.random(3)}`
  const { emit } = options

  const opened = new Map<string, Promise<Provider>>()
  const provider = (name: string): Promise<Provider> => {
    const known = opened.get(name) ?? openProvider(name, settings, io)
    opened.set(name, known)
    return known
  }
  const solvers = Object.fromEntries(Object.keys(settings.dns).map((name) => [name, () => provider(name)]))
  const solver = async (certificate: Certificate): Promise<Solver> => {
    const { createSolver } = await import('./dns/solve.ts')
    return createSolver({ providers: solvers, preferred: certificate.dns, resolvers: settings.resolvers })
  }
  const cas = openCas(settings.cas, { env, store })
  let locked = false
  const renewalInfo = openRenewalInformation({
    cas,
    store,
    now,
    signal,
    atMost: atMost(renewalRequestsAtOnce),
    patienceMs: () => (locked ? 30_000 : 3_000),
  })

  return {
    io,
    settings,
    store,
    memory,
    withdrawals,
    fleet,
    emit,
    run,
    provider,
    solver,
    cas,
    renewalInfo,
    async keepRenewalInfo() {
      if (locked) await renewalInfo.keep()
    },
    async issue(certificate, number, { directory, impatient }) {
      const { issue } = await import('./acme/issue.ts')
      const { beforeOrder } = memory
      const deps = { store, solver: await solver(certificate), emit, now, signal, run, beforeOrder }
      await withdrawals.refuseOrder(certificate.name)
      const version = await issue(
        { certificate, number, acme: await cas.settings(directory), impatient },
        deps,
      )
      await withdrawals.settle(certificate.name)
      return version
    },
    async revoke(version, reason) {
      const { revoke } = await import('./acme/revoke.ts')
      const issuers = await cas.issuersOf(version)
      const acmes = await Promise.all(issuers.map(({ directory }) => cas.settings(directory)))
      await revoke({ version, reason, acmes }, { store, emit, now, signal, run })
    },
    async readIdentity() {
      if (!readIdentity) throw new ConfigError('state.identity is not configured')
      return readIdentity()
    },
    accountKey: {
      async find(directory) {
        const { findRotatable } = await import('./acme/account-rotation.ts')
        return findRotatable(store, await cas.settings(directory))
      },
      async rotate(directory) {
        const { rotateAccountKey } = await import('./acme/account-rotation.ts')
        return rotateAccountKey({ store, emit, now, signal, run }, await cas.settings(directory))
      },
    },
    async sweepTxt() {
      const [certificate] = Object.values(settings.certificates)
      const left = (await Promise.all(['orders', 'txt'].map((prefix) => store.list(prefix)))).flat()
      if (!certificate || left.length === 0) return
      const { sweepTxt } = await import('./acme/sweep.ts')
      await sweepTxt({ store, solver: await solver(certificate), emit, now, run })
    },
    async lock() {
      const lock = await store.lock('run', { command: io.commandLine, since: now().toISOString() })
      locked = true
      return lock
    },
    async [Symbol.asyncDispose]() {
      renewalInfo[Symbol.dispose]()
      await fleet[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    },
  }
}

async function openProvider(name: string, settings: Settings, io: Io): Promise<Provider> {
  const { provider, ...given } = settings.dns[name]!
  const description = providers[provider]!
  const resolved = await resolveSettings(given, description.settings, { where: `dns.${name}`, env: io.env })
  return (await description.load())(resolved)
}

async function resolveSettings(
  given: Readonly<Record<string, unknown>>,
  described: (typeof providers)[string]['settings'],
  at: { where: string; env: Io['env'] },
): Promise<ProviderSettings> {
  const entries = Object.entries(described).map(async ([key, setting]) => {
    const value = given[key]
    const where = `${at.where}.${key}`
    if (value === undefined) return [key, undefined] as const
    if (setting.type === 'secret') return [key, await resolveSecret(value as string, where, at.env)] as const
    if (setting.type !== 'group') return [key, value as string] as const
    return [
      key,
      await resolveSettings(value as Record<string, unknown>, setting.settings, { where, env: at.env }),
    ] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}
