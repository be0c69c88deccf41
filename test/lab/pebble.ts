import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DependentProcess, freePort, startDependent } from '../support/dependent-process.ts'
import { createTestCa, type TestCa } from '../support/test-ca.ts'
import { unpackFromNewerDebian } from './packages/newer-debian.ts'

export interface PebbleOptions {
  /** `address:port` of the name server that validates challenges; pebble asks it over TCP. */
  readonly dnsServer: string
  /** PEBBLE_* variables. Chaos stays on: 5 % bad nonces, authorizations reused at random. */
  readonly env?: Readonly<Record<string, string>>
  /** External account binding is then required: kid to base64url HMAC key. */
  readonly eab?: Readonly<Record<string, string>>
  /** Loopback by default; an address of a bridge for the lab's hosts. */
  readonly listen?: string
  /** Signs pebble's own HTTPS certificate; a fresh one by default. */
  readonly ca?: TestCa
  /** Validity in seconds by profile name; `default` of 90 days otherwise. */
  readonly profiles?: Readonly<Record<string, number>>
  readonly blocklist?: readonly string[]
  /** Of the CA's keys; ECDSA by default. pebble tells its private keys where they are RSA. */
  readonly keyAlgorithm?: 'rsa'
  /** Seconds in Retry-After while an order or authorization is under way; 0 leaves the header out. */
  readonly retryAfter?: number
}

export interface Pebble extends AsyncDisposable {
  readonly directory: string
  /** PEM of the roots of pebble's own HTTPS and of what it issues: a configuration's `caBundle`. */
  readonly caBundle: string
  /** PEM of pebble's own HTTPS root alone. */
  readonly httpsRoot: string
  /** PEM of the roots of issued chains, alternate ones last. */
  roots(): string
  readonly managementUrl: string
  readonly pid: number
  /** What pebble has said so far. */
  log(): string
}

/**
 * Starts a real pebble 2.10. It dies with this process, however that ends; its files are removed as soon as it
 * has read them.
 */
export async function startPebble(options: PebbleOptions): Promise<Pebble> {
  const tree = await unpackFromNewerDebian({ package: 'pebble', atLeast: '2.10' })
  const ca = options.ca ?? (await createTestCa('pebble HTTPS root'))
  for (let attempt = 1; ; attempt++) {
    const started = await tryStart(join(tree, 'usr/bin/pebble'), { ...options, ca })
    if (started !== 'port taken') return started
    if (attempt === 5) throw new Error('pebble found no free port in five attempts')
  }
}

async function tryStart(
  binary: string,
  options: PebbleOptions & { readonly ca: TestCa },
): Promise<Pebble | 'port taken'> {
  const { ca, listen = '127.0.0.1' } = options
  const folder = await mkdtemp(join(tmpdir(), 'certs-pebble-'))
  try {
    const [port, managementPort] = await Promise.all([freePort(listen), freePort(listen)])
    const server = await ca.issue([listen, 'localhost'])
    await writeFile(join(folder, 'cert.pem'), server.cert)
    await writeFile(join(folder, 'key.pem'), server.key, { mode: 0o600 })
    const config = configuration(options, { folder, port, managementPort, listen })
    await writeFile(join(folder, 'config.json'), JSON.stringify(config))

    const child = startDependent(
      [binary, '-config', join(folder, 'config.json'), '-dnsserver', options.dnsServer],
      { PEBBLE_VA_NOSLEEP: '1', ...options.env },
    )
    const managementUrl = `https://${listen}:${managementPort}`
    const directory = `https://${listen}:${port}/dir`
    if (!(await answers([directory, `${managementUrl}/roots/0`], { child, ca: ca.root }))) {
      const said = child.said()
      await child.stop()
      if (said.includes('address already in use')) return 'port taken'
      throw new Error(`pebble did not start:\n${said}`)
    }
    const count = 1 + Number(options.env?.['PEBBLE_ALTERNATE_ROOTS'] ?? 0)
    const numbers = Array.from({ length: count }, (_, index) => index)
    const issuing = await Promise.all(
      numbers.map(async (index) => (await read(`${managementUrl}/roots/${index}`, ca.root)).trim()),
    )
    const roots = `${issuing.join('\n')}\n`
    return {
      directory,
      caBundle: `${ca.root.trim()}\n${roots}`,
      httpsRoot: ca.root,
      roots: () => roots,
      managementUrl,
      pid: child.pid,
      log: () => child.said(),
      [Symbol.asyncDispose]: () => child.stop(),
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function configuration(
  { eab, profiles = { default: 7_776_000 }, blocklist = [], retryAfter = 0, keyAlgorithm }: PebbleOptions,
  at: { folder: string; port: number; managementPort: number; listen: string },
): object {
  return {
    pebble: {
      listenAddress: `${at.listen}:${at.port}`,
      managementListenAddress: `${at.listen}:${at.managementPort}`,
      certificate: join(at.folder, 'cert.pem'),
      privateKey: join(at.folder, 'key.pem'),
      httpPort: 5002,
      tlsPort: 5001,
      externalAccountBindingRequired: eab !== undefined,
      externalAccountMACKeys: eab ?? {},
      domainBlocklist: blocklist,
      retryAfter: { authz: retryAfter, order: retryAfter },
      keyAlgorithm: keyAlgorithm ?? 'ecdsa',
      profiles: Object.fromEntries(
        Object.entries(profiles).map(([name, validityPeriod]) => [
          name,
          { description: name, validityPeriod },
        ]),
      ),
    },
  }
}

/** pebble-challtestsrv as the name server: TXT records are set over its management interface. */
export interface ChallengeServer extends AsyncDisposable {
  /** `address:port` for pebble's `dnsServer`. */
  readonly dnsServer: string
  readonly managementUrl: string
}

export async function startChallengeServer(): Promise<ChallengeServer> {
  const tree = await unpackFromNewerDebian({ package: 'pebble', atLeast: '2.10' })
  for (let attempt = 1; attempt <= 5; attempt++) {
    const [port, managementPort] = await Promise.all([freePort('127.0.0.1'), freePort('127.0.0.1')])
    const dnsServer = `127.0.0.1:${port}`
    const managementUrl = `http://127.0.0.1:${managementPort}`
    const off = ['-http01', '', '-https01', '', '-doh', '', '-tlsalpn01', '']
    const management = ['-management', `127.0.0.1:${managementPort}`]
    const child = startDependent(
      [join(tree, 'usr/bin/pebble-challtestsrv'), ...off, '-dnsserver', dnsServer, ...management],
      {},
    )
    const ready = await child.until(async () => (await fetch(managementUrl)).status > 0)
    if (ready) return { dnsServer, managementUrl, [Symbol.asyncDispose]: () => child.stop() }
    await child.stop()
  }
  throw new Error('pebble-challtestsrv did not start in five attempts')
}

async function answers(
  urls: readonly string[],
  { child, ca }: { child: DependentProcess; ca: string },
): Promise<boolean> {
  return child.until(async () => {
    await Promise.all(urls.map((url) => read(url, ca)))
    return true
  })
}

async function read(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { ca, agent: false, headers: { 'user-agent': 'certs-test' } }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => void (body += chunk))
      response.on('end', () => {
        if (response.statusCode === 200) resolve(body)
        else reject(new Error(`${url} answered ${response.statusCode}`))
      })
      response.on('error', reject)
    }).on('error', reject)
  })
}
