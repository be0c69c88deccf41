import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { providers } from '../../providers/index.ts'
import { exampleOf } from '../../src/commands/provider-example.ts'
import { loadConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/core/errors.ts'

const cli = path.resolve(import.meta.dirname, '../../src/cli.ts')

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'certs-providers-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** What `certs` says in an empty folder, and how it ends. */
function certs(...args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const options = { cwd: folder, env: { PATH: process.env['PATH'], HOME: folder } }
    const child = execFile(process.execPath, [cli, ...args], options, (_error, stdout, stderr) => {
      resolve(`${stdout}${stderr}exit ${child.exitCode}\n`)
    })
  })
}

/** Loads a configuration whose `dns` is this text. */
async function load(dns: string) {
  const file = path.join(folder, `${Math.random()}.config.ts`)
  await writeFile(file, `export default { ${dns} certificates: {} }`)
  return loadConfig({ file, env: {}, cwd: folder, home: folder, uid: process.getuid!(), providers })
}

test('certs providers lists them all, needing no configuration', async () => {
  expect(await certs('providers')).toMatchInlineSnapshot(`
    "cloudflare       Cloudflare, through its API
    desec            deSEC, through its API
    digitalocean     DigitalOcean, through its API
    gandi            Gandi LiveDNS, through its API
    hetzner          Hetzner DNS, through the Cloud API
    route53          Amazon Route 53
    powerdns         PowerDNS Authoritative Server, through its HTTP API
    rfc2136          A name server that takes dynamic updates: BIND, Knot, PowerDNS, …
    acme-dns         An acme-dns server, to which _acme-challenge is delegated by CNAME
    webhook          An HTTP server of yours, asked as lego's httpreq does: POST URL/present, URL/cleanup
    exec             A command of yours, called as lego's exec provider does: COMMAND present|cleanup NAME. VALUE
    certbot-hook     Hooks written for certbot's --manual-auth-hook and --manual-cleanup-hook
    dehydrated-hook  A hook written for dehydrated: HOOK deploy_challenge|clean_challenge DOMAIN TOKEN VALUE
    acme.sh          One of the 170 dnsapi scripts of an acme.sh that is installed here

    certs providers NAME shows what one takes, and an entry to paste.
    exit 0
    "
  `)
})

test('certs providers NAME shows the settings and an entry to paste', async () => {
  expect(await certs('providers', 'powerdns')).toMatchInlineSnapshot(`
    "powerdns: PowerDNS Authoritative Server, through its HTTP API

      apiUrl  string            its webserver
      apiKey  secret            api-key of pdns.conf
      server  string, optional  id of the server in its own API; localhost when left out

    A secret is { env: 'NAME' }, { file: 'PATH' } or { command: ['PROGRAM', 'ARGUMENT'] }.

    dns: {
      powerdns: {
        provider: 'powerdns',
        apiUrl: 'http://127.0.0.1:8081',
        apiKey: { env: 'POWERDNS_API_KEY' },
        // server: 'localhost',
      },
    },
    exit 0
    "
  `)
})

test('the settings of a group stand below it', async () => {
  expect(await certs('providers', 'rfc2136')).toMatchInlineSnapshot(`
    "rfc2136: A name server that takes dynamic updates: BIND, Knot, PowerDNS, …

      server          string                                   the zone's primary, as 192.0.2.53 or ns1.example.com:53
      tsig            group                                    the key that signs updates
      tsig.name       string                                   its name, as in the key statement of named.conf
      tsig.algorithm  hmac-sha256 | hmac-sha384 | hmac-sha512  its algorithm
      tsig.secret     secret                                   its secret, base64

    A secret is { env: 'NAME' }, { file: 'PATH' } or { command: ['PROGRAM', 'ARGUMENT'] }.

    dns: {
      rfc2136: {
        provider: 'rfc2136',
        server: '192.0.2.53',
        tsig: {
          name: 'acme',
          algorithm: 'hmac-sha256',
          secret: { env: 'RFC2136_TSIG_SECRET' },
        },
      },
    },
    exit 0
    "
  `)
})

test('--json says the same', async () => {
  const one = (await certs('providers', 'exec', '--json')).replace('exit 0\n', '')
  const { about, settings } = providers['exec']!
  const expected = { name: 'exec', about, settings, example: exampleOf('exec', settings) }
  expect(JSON.parse(one)).toEqual(expected)
  const all = (await certs('providers', '--json')).replace('exit 0\n', '')
  expect(JSON.parse(all)).toHaveLength(Object.keys(providers).length)
  expect(JSON.parse(all)).toContainEqual(expected)
})

test('an unknown provider is named with the nearest known one', async () => {
  expect(await certs('providers', 'cloudfare')).toBe(
    'certs: error: no DNS provider is called "cloudfare"\ncerts: hint: did you mean "certs providers cloudflare"?\nexit 2\n',
  )
})

describe.each(Object.entries(providers))('the example for %s', (name, { settings }) => {
  test('loads as it is', async () => {
    const { dns } = await load(exampleOf(name, settings))
    expect(dns[name]?.provider).toBe(name)
  })

  test('loads with every optional setting', async () => {
    const { dns } = await load(exampleOf(name, settings).replaceAll('// ', ''))
    expect(Object.keys(dns[name] ?? {})).toEqual(['provider', ...Object.keys(settings)])
  })
})

test.each([
  ['a missing setting', `a: { provider: 'powerdns', apiKey: 'x' }`, 'dns.a.apiUrl'],
  ['a misspelt setting', `a: { provider: 'hetzner', apitoken: 'x' }`, 'did you mean "apiToken"?'],
  ['a misspelt provider', `a: { provider: 'route-53' }`, 'did you mean "route53"?'],
  ['a choice that is none', `a: { provider: 'route53', credentials: 'iam' }`, 'dns.a.credentials'],
  [
    'a command that is a text',
    `a: { provider: 'certbot-hook', authHook: '/bin/hook', cleanupHook: ['x'] }`,
    'dns.a.authHook',
  ],
  [
    'a number that is a text',
    `a: { provider: 'exec', command: ['x'], timeoutSeconds: '5' }`,
    'timeoutSeconds',
  ],
  ['a secret from nowhere', `a: { provider: 'desec', apiToken: { envv: 'X' } }`, 'dns.a.apiToken'],
  [
    'a misspelt setting in a group',
    `a: { provider: 'rfc2136', server: 's', tsig: { nam: 'n', algorithm: 'hmac-sha256', secret: 'x' } }`,
    'unknown key "nam", did you mean "name"?',
  ],
])('the load names %s', async (_, entry, said) => {
  const error = await load(`dns: { ${entry} },`).catch((failure: unknown) => failure)
  expect(error).toBeInstanceOf(ConfigError)
  expect((error as ConfigError).detail).toContain(said)
})
