import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../../src/index.ts'
import { type AcmeProxy, startAcmeProxy } from '../support/acme-proxy.ts'
import { createTestCa } from '../support/test-ca.ts'
import { command, type CommandOptions, type Ran } from './command.ts'
import { configText } from './incident-config.ts'
import { cli } from './incident.ts'
import { namedMissing, startNamed, type Named, type Zone } from './named.ts'
import { type Pebble, startPebble } from './pebble.ts'

/** A controller with real DNS and a real CA behind a proxy that can change what the CA says; it has no nodes. */
export interface Controller extends AsyncDisposable {
  readonly named: Named
  readonly pebble: Pebble
  readonly proxy: AcmeProxy
  readonly folder: string
  readonly state: string
  readonly config: Config
  /** Runs `certs` as a process of its own, in the folder of the configuration. */
  certs(line: string, options?: CommandOptions): Promise<Ran>
  /** Changes the `meta` of the CA's directory; `date` is what its clock says. */
  announce(meta: object, date?: Date): void
}

export interface ControllerOptions {
  readonly zones: Readonly<Record<string, Zone>>
  readonly certificates: Config['certificates']
  /** More lines for named's `options { }`. */
  readonly named?: string
}

/** Why there can be none here, or undefined. */
export const controllerMissing = namedMissing

export async function startController(options: ControllerOptions): Promise<Controller> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'certs-controller-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const ca = await createTestCa()
  const named = stack.use(
    await startNamed({ zones: options.zones, ...(options.named ? { options: options.named } : {}) }),
  )
  const server = `${named.address}:${named.port}`
  const pebble = stack.use(await startPebble({ dnsServer: server, ca }))
  const proxy = stack.use(await startAcmeProxy(pebble.directory, ca))

  const state = join(folder, 'state')
  const { name, algorithm } = named.tsig
  await writeFile(join(folder, 'tsig.secret'), `${named.tsig.secret}\n`, { mode: 0o600 })
  await writeFile(join(folder, 'ca-bundle.pem'), pebble.caBundle)
  const config: Config = {
    state,
    acme: { directory: proxy.directory, caBundle: 'ca-bundle.pem' },
    dns: {
      home: { provider: 'rfc2136', server, tsig: { name, algorithm, secret: { file: 'tsig.secret' } } },
    },
    resolvers: [server],
    certificates: options.certificates,
  }
  await writeFile(join(folder, 'certs.config.ts'), configText(config))
  const started = stack.move()
  return {
    named,
    pebble,
    proxy,
    folder,
    state,
    config,
    certs: async (line, { env, ...more } = {}) =>
      command([process.execPath, cli, ...line.split(' ').filter(Boolean)], {
        cwd: folder,
        env: { PATH: process.env['PATH'], HOME: folder, ...env },
        ...more,
      }),
    announce: (meta, date) => {
      proxy.reset()
      proxy.fault('directory', {
        do: 'edit',
        edit: ({ status, headers, body }) => {
          const directory = JSON.parse(body) as { meta?: object }
          const changed = { ...directory, meta: { ...directory.meta, ...meta } }
          const now = date ? { date: date.toUTCString() } : {}
          return { status, headers: { ...headers, ...now }, body: JSON.stringify(changed) }
        },
      })
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}
