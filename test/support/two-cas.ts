import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Attempts } from '../../src/core/backoff.ts'
import type { Config } from '../../src/index.ts'
import { openFiles } from '../../src/state/files.ts'
import type { Store } from '../../src/state/store.ts'
import { command, type Ran } from '../lab/command.ts'
import { configText } from '../lab/incident-config.ts'
import { cli } from '../lab/incident.ts'
import { startNamed, type Named, type Zone } from '../lab/named.ts'
import { startPebble, type Pebble } from '../lab/pebble.ts'
import { type AcmeProxy, startAcmeProxy } from './acme-proxy.ts'
import { type Deeds, createLedger } from './pebble-ledger.ts'
import { createTestCa } from './test-ca.ts'

const killer = fileURLToPath(new URL('./kill-at.ts', import.meta.url))

/** One of two real CAs, behind a proxy that misbehaves as told. */
export interface LocalCa {
  readonly pebble: Pebble
  readonly proxy: AcmeProxy
  /** Its settings as they stand in a configuration. */
  readonly acme: { readonly directory: string; readonly caBundle: string }
  /** `127.0.0.1:PORT`, by which it is called. */
  readonly host: string
  /** What it did since the last time this was asked. */
  deeds(): Deeds
}

/** A controller without nodes, before two CAs and a real name server. */
export interface TwoCas extends AsyncDisposable {
  readonly named: Named
  readonly first: LocalCa
  readonly second: LocalCa
  readonly state: string
  /** Runs `certs LINE` as a process of its own; with another part of the configuration, for this run. */
  certs(line: string, options?: RunOptions): Promise<Ran>
  /** Opens the state, between two runs. */
  look<T>(act: (store: Store) => Promise<T>): Promise<T>
  /** Puts all that is waited for into the past. */
  age(certificate: string, ms: number): Promise<void>
}

export interface RunOptions {
  /** The event at which the run is killed. */
  readonly killAt?: string
  readonly config?: Partial<Config>
}

export interface TwoCasOptions {
  readonly certificates: Config['certificates']
  readonly zones?: Readonly<Record<string, Zone>>
  /** By default the second one stands behind the first. */
  readonly acme?: (first: LocalCa['acme'], second: LocalCa['acme']) => Config['acme']
}

export async function startTwoCas(options: TwoCasOptions): Promise<TwoCas> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'certs-two-cas-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const named = stack.use(await startNamed({ zones: options.zones ?? { 'fleet.example': {} } }))
  const server = `${named.address}:${named.port}`

  const startCa = async (file: string): Promise<LocalCa> => {
    const ca = await createTestCa(`root of ${file}`)
    const pebble = stack.use(await startPebble({ dnsServer: server, ca, env: { PEBBLE_AUTHZREUSE: '0' } }))
    const proxy = stack.use(await startAcmeProxy(pebble.directory, ca))
    await writeFile(join(folder, file), pebble.caBundle)
    let ledger = createLedger(pebble)
    return {
      pebble,
      proxy,
      host: new URL(proxy.directory).host,
      acme: { directory: proxy.directory, caBundle: file },
      deeds: () => {
        const done = ledger()
        ledger = createLedger(pebble)
        return done
      },
    }
  }
  const [first, second] = [await startCa('first.pem'), await startCa('second.pem')]

  const { name, algorithm, secret } = named.tsig
  const state = join(folder, 'state')
  await writeFile(join(folder, 'tsig.secret'), secret, { mode: 0o600 })
  const config: Config = {
    state,
    acme: options.acme?.(first.acme, second.acme) ?? { ...first.acme, fallback: [second.acme] },
    dns: {
      home: { provider: 'rfc2136', server, tsig: { name, algorithm, secret: { file: 'tsig.secret' } } },
    },
    resolvers: [server],
    certificates: options.certificates,
  }
  const look: TwoCas['look'] = async (act) => {
    await using store = await openFiles(state)
    return await act(store)
  }
  const started = stack.move()
  return {
    named,
    first,
    second,
    state,
    look,
    certs: async (line, { killAt, config: change } = {}) => {
      await writeFile(join(folder, 'certs.config.ts'), configText({ ...config, ...change }))
      const killing = killAt && { NODE_OPTIONS: `--import=${killer}`, CERTS_TEST_KILL_AT: killAt }
      const env = { PATH: process.env['PATH'], HOME: folder, ...killing }
      return command([process.execPath, cli, ...line.split(' ')], { cwd: folder, env })
    },
    age: (certificate, ms) =>
      look(async (store) => {
        const found = await store.get<Attempts>(`attempts/${certificate}`)
        if (!found) throw new Error(`${certificate} has no attempts`)
        const isInstant = /^\d{4}-\d\d-\d\dT/
        const aged = JSON.stringify(found.value, (_key, value: unknown) =>
          typeof value === 'string' && isInstant.test(value)
            ? new Date(Date.parse(value) - ms).toISOString()
            : value,
        )
        await store.put(`attempts/${certificate}`, JSON.parse(aged), found.revision)
      }),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}
