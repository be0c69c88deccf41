import { access, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from '../../src/index.ts'
import { prepareCdn, prepareCore, site } from './cdn-node.ts'
import { command, type CommandOptions, type Ran } from './command.ts'
import { createDatedCa, type DatedVersion } from './dated-ca.ts'
import { startHosts, type Host, type Lab } from './hosts.ts'
import { image } from './image.ts'
import { configOf, configText, coreName } from './incident-config.ts'
import { startNamed, type Named } from './named.ts'
import { startPebble, type Pebble } from './pebble.ts'

export { site } from './cdn-node.ts'
export { coreName } from './incident-config.ts'
export const cdnNames: readonly string[] = ['cdn-frankfurt-1', 'cdn-fremont-1', 'sally', 'esme']

/**
 * The night of the incident on real hosts: four CDN nodes serve version 2 of media.hachyderm.io, expired since
 * 01:52, in front of the core; the site's name is a CNAME into a geographic DNS; and the CA that will issue
 * version 3.
 */
export interface Incident extends AsyncDisposable {
  readonly lab: Lab
  readonly cdn: readonly Host[]
  readonly core: Host
  readonly named: Named
  readonly pebble: Pebble
  readonly expiredAt: Date
  /** PEM of the root that versions 1 and 2 chain to. */
  readonly oldRoot: string
  /** What a user should get for https://media.hachyderm.io/health.png. */
  readonly picture: Buffer
  /** The configuration that describes all this, as data and as a file. */
  readonly config: Config
  readonly configFile: string
  /** The controller's state folder; not there before the first run. */
  readonly state: string
  /** Writes another configuration beside the first one; returns its path. */
  writeConfig(file: string, config: object): Promise<string>
  /** Runs `certs` with the configuration (or `env.CERTS_CONFIG`) as a process of its own. */
  certs(line: string, options?: CommandOptions): Promise<Ran>
}

export interface IncidentOptions {
  readonly now?: Date
  /** Fewer CDN nodes, for tests that need only one or two. */
  readonly cdn?: readonly string[]
  /** PEBBLE_* variables, as `{ PEBBLE_AUTHZREUSE: '0' }`. */
  readonly pebble?: Readonly<Record<string, string>>
  /** Called for each host after it is prepared and before it boots. */
  readonly prepare?: (host: Host) => Promise<void>
}

export async function startIncident(options: IncidentOptions = {}): Promise<Incident> {
  const names = options.cdn ?? cdnNames
  const expiredAt = lastTime('01:52', options.now ?? new Date())
  const picture = image(99, 100, 255)
  await using stack = new AsyncDisposableStack()

  const dns = startDns()
  const ca = dns.then(async (named) =>
    startPebble({ dnsServer: `${named.address}:${named.port}`, env: options.pebble ?? {} }),
  )
  const old = Promise.withResolvers<OldVersions>()
  const fleet = startHosts({
    nodes: [coreName, ...names],
    async prepare(host, { folder, addressOf }) {
      if (host.name === coreName) {
        await prepareCore(host, picture)
        await issueOld(join(folder, 'old-ca'), expiredAt).then(old.resolve, old.reject)
      } else {
        await prepareCdn(host, { core: addressOf(coreName), versions: (await old.promise).versions })
      }
      await options.prepare?.(host)
    },
  })
  const [lab, named, pebble] = await useAll(stack, [fleet, dns, ca])
  const cdn = names.map((name) => lab.host(name))
  await named.update(...cdn.flatMap(recordsOf))

  const state = join(lab.folder, 'state')
  await writeFile(join(lab.folder, 'tsig.secret'), `${named.tsig.secret}\n`, { mode: 0o600 })
  await writeFile(join(lab.folder, 'ca-bundle.pem'), pebble.caBundle)
  const config = configOf({ lab, named, pebble, cdn, state })
  const writeConfig = async (file: string, content: object): Promise<string> => {
    const path = join(lab.folder, file)
    await writeFile(path, configText(content))
    return path
  }
  const configFile = await writeConfig('certs.config.ts', config)
  const started = stack.move()
  return {
    lab,
    cdn,
    core: lab.host(coreName),
    named,
    pebble,
    expiredAt,
    oldRoot: (await old.promise).root,
    picture,
    config,
    configFile,
    state,
    writeConfig,
    certs: async (line, { env, ...more } = {}) =>
      command([process.execPath, cli, ...line.split(' ').filter(Boolean)], {
        cwd: lab.folder,
        env: { PATH: process.env['PATH'], HOME: lab.folder, CERTS_CONFIG: configFile, ...env },
        ...more,
      }),
    [Symbol.asyncDispose]: async () => started.disposeAsync(),
  }
}

export const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

/** Why the incident can't be staged yet: the program under test is not there. */
export async function cliMissing(): Promise<boolean> {
  return access(cli).then(
    () => false,
    () => true,
  )
}

interface OldVersions {
  readonly root: string
  readonly versions: readonly DatedVersion[]
}

/** Renewed every 60 days for 90, until nobody did. */
async function issueOld(folder: string, expiredAt: Date): Promise<OldVersions> {
  await using ca = await createDatedCa(folder)
  const day = 86_400_000
  const at = (days: number): Date => new Date(expiredAt.getTime() + days * day)
  const first = await ca.issue({ names: [site], notBefore: at(-150), notAfter: at(-60) })
  const second = await ca.issue({ names: [site], notBefore: at(-90), notAfter: expiredAt })
  return { root: ca.root, versions: [first, second] }
}

/** The latest moment at this time of day (UTC) that has passed. */
function lastTime(time: string, now: Date): Date {
  const today = new Date(`${now.toISOString().slice(0, 10)}T${time}:00Z`)
  return today < now ? today : new Date(today.getTime() - 86_400_000)
}

async function startDns(): Promise<Named> {
  return startNamed({ zones: { 'hachyderm.io': { records: 'media CNAME cdn.geo.hachyderm.io.' } } })
}

function recordsOf(host: Host): string[] {
  return [
    `update add cdn.geo.hachyderm.io 60 A ${host.address}`,
    `update add cdn.geo.hachyderm.io 60 AAAA ${host.address6}`,
  ]
}

/** Waits for all, keeps those that came for disposal, then throws if one did not. */
async function useAll<T extends readonly AsyncDisposable[]>(
  stack: AsyncDisposableStack,
  starting: { readonly [K in keyof T]: Promise<T[K]> },
): Promise<T> {
  const settled = await Promise.allSettled(starting)
  for (const result of settled) if (result.status === 'fulfilled') stack.use(result.value)
  for (const result of settled) if (result.status === 'rejected') throw result.reason
  return Promise.all(starting)
}
