import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Pace } from '../../src/acme/pace.ts'
import type { Attempts } from '../../src/core/backoff.ts'
import { openFiles } from '../../src/state/files.ts'
import { command, type Ran } from '../lab/command.ts'
import { configText } from '../lab/incident-config.ts'
import { startNamed, type Named } from '../lab/named.ts'
import { startPebble, type Pebble } from '../lab/pebble.ts'
import { type AcmeProxy, startAcmeProxy } from './acme-proxy.ts'
import { type Deeds, createLedger } from './pebble-ledger.ts'
import { createTestCa } from './test-ca.ts'

const program = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const killer = fileURLToPath(new URL('./kill-at.ts', import.meta.url))
const pacer = fileURLToPath(new URL('./pace-of.ts', import.meta.url))

/** A controller without nodes, before a real CA (behind a proxy that misbehaves as told) and a real name server. */
export interface Renewing extends AsyncDisposable {
  readonly named: Named
  readonly pebble: Pebble
  readonly proxy: AcmeProxy
  readonly state: string
  /** Writes the configuration anew with these keys changed. */
  configure(change: object): Promise<void>
  /** Runs `certs LINE` for these certificates, each of one name in the zone `fleet.example`. */
  certs(line: string, options?: RunOptions): Promise<Ran>
  /** The same, without waiting for its end. */
  start(line: string): ChildProcess
  /** Puts the last failure of a certificate into the past. */
  age(certificate: string, ms: number): Promise<void>
  /** Certificates whose last attempt has failed. */
  failing(): Promise<string[]>
  attempts(certificate: string): Promise<Attempts | undefined>
  /** What the CA did since the last time this was asked. */
  deeds(): Deeds
}

export interface RunOptions {
  /** The event at which the run is killed. */
  readonly killAt?: string
  readonly env?: Readonly<Record<string, string>>
  /** Deadlines at the CA that differ from what they are. */
  readonly pace?: Partial<Pace>
}

export interface RenewingOptions {
  readonly certificates: Readonly<Record<string, object>>
  readonly pebble?: Readonly<Record<string, string>>
}

export async function startRenewing(options: RenewingOptions): Promise<Renewing> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'certs-renew-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const ca = await createTestCa()
  const named = stack.use(await startNamed({ zones: { 'fleet.example': {} } }))
  const server = `${named.address}:${named.port}`
  const pebble = stack.use(await startPebble({ dnsServer: server, ca, env: options.pebble ?? {} }))
  const proxy = stack.use(await startAcmeProxy(pebble.directory, ca))

  const { name, algorithm, secret } = named.tsig
  const state = join(folder, 'state')
  await writeFile(join(folder, 'tsig.secret'), secret, { mode: 0o600 })
  await writeFile(join(folder, 'ca.pem'), pebble.caBundle)
  const config = {
    state,
    acme: { directory: proxy.directory, caBundle: 'ca.pem' },
    dns: {
      home: { provider: 'rfc2136', server, tsig: { name, algorithm, secret: { file: 'tsig.secret' } } },
    },
    resolvers: [server],
    certificates: options.certificates,
  }
  const configure = (change: object) =>
    writeFile(join(folder, 'certs.config.ts'), configText({ ...config, ...change }))
  await configure({})
  const env = { PATH: process.env['PATH'], HOME: folder }
  const argv = (line: string) => [program, ...line.split(' ')]
  let ledger = createLedger(pebble)
  const started = stack.move()
  return {
    named,
    pebble,
    proxy,
    state,
    configure,
    certs: (line, { killAt, pace: paced, env: more } = {}) => {
      const before = [...(killAt ? [killer] : []), ...(paced ? [pacer] : [])]
      const told = {
        NODE_OPTIONS: before.map((file) => `--import=${file}`).join(' '),
        CERTS_TEST_KILL_AT: killAt,
        CERTS_TEST_PACE: JSON.stringify(paced),
      }
      return command([process.execPath, ...argv(line)], { cwd: folder, env: { ...env, ...told, ...more } })
    },
    start: (line) =>
      spawn(process.execPath, argv(line), { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] }),
    async age(certificate, ms) {
      await using store = await openFiles(state)
      const found = await store.get<Attempts>(`attempts/${certificate}`)
      if (!found) throw new Error(`${certificate} has no failed attempts`)
      const back = (instant: string) => new Date(Date.parse(instant) - ms).toISOString()
      const { at, refusals = {} } = found.value
      const older = Object.entries(refusals).map(
        ([directory, one]) => [directory, { ...one, until: back(one.until) }] as const,
      )
      const aged = { ...found.value, at: back(at), refusals: Object.fromEntries(older) }
      await store.put(`attempts/${certificate}`, aged, found.revision)
    },
    async failing() {
      await using store = await openFiles(state)
      return (await store.list('attempts')).map((key) => key.slice('attempts/'.length))
    },
    async attempts(certificate) {
      await using store = await openFiles(state)
      return (await store.get<Attempts>(`attempts/${certificate}`))?.value
    },
    deeds: () => {
      const done = ledger()
      ledger = createLedger(pebble)
      return done
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}
