import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { providers } from '../../providers/index.ts'
import { template } from '../../src/commands/init-template.ts'
import { loadConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/core/errors.ts'
import { nginxAlone } from '../support/nginx-alone.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'certs-config-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function load(text: string, env: Record<string, string> = {}) {
  const file = path.join(folder, 'certs.config.ts')
  await writeFile(file, text)
  return loadConfig({ file, env, cwd: folder, home: '/home/ops', uid: process.getuid!(), providers })
}

/** The error of a load that must fail, as one text. */
async function refusal(text: string): Promise<string> {
  const error = await load(text).then(
    () => undefined,
    (caught: unknown) => caught,
  )
  expect(error).toBeInstanceOf(ConfigError)
  const { message, detail = '', hints } = error as ConfigError
  return [message, detail, ...hints].join('\n').replaceAll(folder, '')
}

const minimal = (extra: string, certificates = `'a.example': {}`) =>
  `export default { dns: { cf: { provider: 'cloudflare', apiToken: { env: 'T' } } }, certificates: { ${certificates} }, ${extra} }`

test('what certs init writes loads as it is', async () => {
  const settings = await load(template)
  expect(settings.certificates['www.example.com']?.nodes).toEqual(['web-1', 'web-2'])
})

test('the example in the repository is the fleet of the incident', async () => {
  const file = path.resolve(import.meta.dirname, '../../certs.config.ts')
  const settings = await loadConfig({
    file,
    env: {},
    cwd: folder,
    home: '/home/ops',
    uid: process.getuid!(),
    providers,
  })
  expect(settings.certificates['media.hachyderm.io']?.nodes).toEqual([
    'cdn-frankfurt-1',
    'cdn-fremont-1',
    'sally',
    'esme',
  ])
  expect(settings.cas[0].directory).toBe('https://acme-v02.api.letsencrypt.org/directory')
})

test('defaults are filled in, and paths are absolute', async () => {
  const settings = await load(
    minimal(`nodes: { sally: { address: '203.0.113.13' } }`, `'a.example': { nodes: ['sally'] }`),
  )
  expect(settings.state).toEqual({ folder: '/var/lib/certs', encryptTo: [], identity: undefined })
  expect(settings.nodes['sally']).toEqual({
    name: 'sally',
    groups: [],
    ssh: {
      address: '203.0.113.13',
      port: 22,
      user: 'root',
      identity: '/home/ops/.ssh/id_ed25519',
      knownHosts: '/home/ops/.ssh/known_hosts',
    },
    sudo: false,
    jump: [],
    root: '/etc/letsencrypt',
    services: nginxAlone({ endpoints: [{ address: '203.0.113.13', port: 443, via: 'direct' }] }),
  })
})

test.each([
  [`[2001:db8::1]:8443`, { address: '2001:db8::1', port: 8443, via: 'direct' }],
  [`2001:db8::1`, { address: '2001:db8::1', port: 443, via: 'direct' }],
  [`cdn.example:8443`, { address: 'cdn.example', port: 8443, via: 'direct' }],
])('an endpoint may be written %s', async (written, endpoint) => {
  const settings = await load(minimal(`nodes: { n: { address: '192.0.2.1', endpoints: ['${written}'] } }`))
  expect(settings.nodes['n']?.services['nginx']?.endpoints).toEqual([endpoint])
})

test('a jump may name another node, or be an address', async () => {
  const nodes = `nodes: { gate: { address: '192.0.2.1', user: 'jump' }, inner: { address: '10.0.0.2', jump: ['gate', 'ops@192.0.2.9:2222'] } }`
  const settings = await load(minimal(nodes))
  expect(settings.nodes['inner']?.jump).toMatchObject([
    { name: 'gate', address: '192.0.2.1', user: 'jump', port: 22 },
    { name: '192.0.2.9', address: '192.0.2.9', user: 'ops', port: 2222 },
  ])
})

test('dns-persist-01 needs nothing under dns', async () => {
  const text = `export default { certificates: { 'a.example': { challenge: 'dns-persist-01' } } }`
  expect((await load(text)).certificates['a.example']).toMatchObject({ challenge: 'dns-persist-01' })
})

test('CERTS_STATE overrides the configured state folder', async () => {
  const settings = await load(minimal(`state: '/srv/certs'`), { CERTS_STATE: '/tmp/other' })
  expect(settings.state.folder).toBe('/tmp/other')
})

test.each([
  ['an unknown key', minimal(`node: {}`), 'unknown key "node", did you mean "nodes"?'],
  [
    'an unknown key deep inside',
    minimal(`nodes: { n: { adress: 'x', address: 'y' } }`),
    'unknown key "adress", did you mean "address"?',
  ],
  [
    'an unknown provider',
    `export default { dns: { cf: { provider: 'cloudfare' } }, certificates: {} }`,
    'unknown provider "cloudfare", did you mean "cloudflare"?',
  ],
  [
    'a setting that the provider does not take',
    `export default { dns: { cf: { provider: 'cloudflare', apitoken: 'x' } }, certificates: {} }`,
    'did you mean "apiToken"?',
  ],
  [
    'a node that is not configured',
    minimal(`nodes: { sally: { address: 'x' } }`, `'a.example': { nodes: ['saly'] }`),
    'did you mean "sally"?',
  ],
  ['a dns entry that is not configured', minimal('', `'a.example': { dns: 'cff' }`), 'did you mean "cf"?'],
  ['nothing under dns', `export default { certificates: { 'a.example': {} } }`, '.dns is missing: 0 entries'],
  [
    'a challenge that there is none of',
    minimal('', `'a.example': { challenge: 'http-01' }`),
    'expected one of "dns-01"|"dns-persist-01"',
  ],
  [
    'a dns entry that nothing would be written through',
    minimal('', `'a.example': { challenge: 'dns-persist-01', dns: 'cf' }`),
    "is not used: challenge 'dns-persist-01' writes nothing to DNS",
  ],
  [
    'a name that leaves no room for the record that stays',
    minimal('', `'a': { challenge: 'dns-persist-01', names: ['*.${'a.'.repeat(113)}example.com'] }`),
    'leaves no room for',
  ],
  [
    'an http directory',
    minimal(`acme: { directory: 'http://ca.example/dir' }`),
    'neither a name of ours nor an https URL',
  ],
  [
    'a certificate whose name climbs out of its folder',
    minimal('', `'../etc': { names: ['a.example'] }`),
    "a certificate's name is a folder name on every node",
  ],
  ['a name that is no DNS name', minimal('', `'a': { names: ['a b.example'] }`), 'a b.example'],
  ['a share that is none', minimal(`rollout: { waves: ['half'] }`), 'write a share as 50%'],
  ['no default export', 'export const config = {}', 'it has no default export'],
  ['a syntax error', 'export default {', 'failed:'],
])('names %s and the way out', async (_what, text, said) => {
  expect(await refusal(text)).toContain(said)
})

test('refuses a configuration that everybody may write', async () => {
  const file = path.join(folder, 'certs.config.ts')
  await writeFile(file, minimal(''))
  await chmod(file, 0o666)
  const loading = loadConfig({ file, env: {}, cwd: folder, home: '/', uid: process.getuid!(), providers })
  await expect(loading).rejects.toThrow(/everybody may write it/)
})

test('says where it looked when there is no configuration', async () => {
  const loading = loadConfig({ env: {}, cwd: folder, home: '/', uid: 0, providers })
  await expect(loading).rejects.toThrow(
    'no configuration found: looked for certs.config.ts and /etc/certs/certs.config.ts',
  )
})

const bound = ['google', 'zerossl', 'actalis', 'sslcom']
test.each(bound)('a CA that needs an external account binding says how to get one: %s', async (directory) => {
  const said = (await refusal(minimal(`acme: { directory: '${directory}' }`))).split('\n').filter(Boolean)
  expect(said).toEqual([
    `acme.eab is missing: ${directory} needs an external account binding`,
    expect.stringMatching(/^(gcloud|make one at|take it from) /),
    'then set acme.eab: { kid: …, hmac: { env: … } }',
  ])
})

test.each(bound)('with an external account binding, a CA is taken: %s', async (directory) => {
  const acme = `acme: { directory: '${directory}', eab: { kid: 'k', hmac: { env: 'HMAC' } } }`
  expect((await load(minimal(acme))).cas[0].directory).toMatch(/^https:\/\//)
})

test('the node that certs runs on needs no login', async () => {
  const { nodes } = await load(minimal(`ssh: { sudo: true }, nodes: { here: { address: 'local' } }`))
  expect(nodes['here']).toMatchObject({
    ssh: undefined,
    sudo: false,
    services: nginxAlone({ endpoints: [{ address: '127.0.0.1', port: 443, via: 'direct' }] }),
  })
})

test.each([
  ['port', '22'],
  ['user', "'ops'"],
  ['jump', "'192.0.2.1'"],
])('the node that certs runs on takes no %s', async (setting, value) => {
  expect(await refusal(minimal(`nodes: { here: { address: 'local', ${setting}: ${value} } }`))).toBe(
    `nodes["here"].${setting}: address 'local' is this machine, and nobody logs in\n\nleave ${setting} out, or give the node an address`,
  )
})

test('the node that certs runs on is no hop', async () => {
  const through = `nodes: { here: { address: 'local' }, sally: { address: '192.0.2.1', jump: 'here' } }`
  expect(await refusal(minimal(through))).toBe('jump: here is this machine, which is no hop\n')
})

describe('acme.fallback', () => {
  const acme = (fallback: string, first = `contact: ['ops@a.example']`) =>
    minimal(`acme: { ${first}, fallback: [${fallback}] }`)
  const zerossl = `{ directory: 'zerossl', eab: { kid: 'k', hmac: { file: 'hmac' } } }`

  test('is the CAs that stand behind the first one, each with settings of its own', async () => {
    const { cas } = await load(
      acme(
        `${zerossl}, { directory: 'https://ca.example/dir', caBundle: 'ca.pem', profile: 'p', contact: [] }`,
      ),
    )
    expect(cas.map(({ name, place, contact }) => [name, place, contact])).toEqual([
      ["Let's Encrypt", 'acme', ['ops@a.example']],
      ['ZeroSSL', 'acme.fallback[0]', ['ops@a.example']],
      ['ca.example', 'acme.fallback[1]', []],
    ])
    expect(cas[1]?.eab?.hmac).toEqual({ file: path.join(folder, 'hmac') })
    expect(cas[2]).toMatchObject({ caBundle: path.join(folder, 'ca.pem'), profile: 'p' })
    expect(cas[0]).toMatchObject({ eab: undefined, caBundle: undefined, profile: undefined })
  })

  test.each([
    [
      'that needs a binding and has none',
      `{ directory: 'google' }`,
      'acme.fallback[0].eab is missing: google needs an external account binding',
    ],
    [
      'that is the first one again',
      `{ directory: 'https://acme-v02.api.letsencrypt.org/directory' }`,
      'acme.fallback[0].directory is the same CA as acme: ',
    ],
    [
      'that stands there twice',
      `${zerossl}, ${zerossl}`,
      'acme.fallback[1].directory is the same CA as acme.fallback[0]: ',
    ],
    ['that is not known', `{ directory: 'zeroSSL' }`, 'acme.fallback[0].directory "zeroSSL" is not known'],
    ['without a directory', `{ contact: [] }`, 'acme.fallback[0].directory'],
    ['with a fallback of its own', `{ directory: 'zerossl', fallback: [] }`, 'unknown key "fallback"'],
    ['with a setting that there is not', `{ directory: 'x', profil: 'y' }`, 'did you mean "profile"?'],
  ])('refuses one %s', async (_what, fallback, said) => {
    expect(await refusal(acme(fallback))).toContain(said)
  })

  test('two directories of one host are told apart by their URLs', async () => {
    const { cas } = await load(
      acme(`{ directory: 'https://ca.example/b' }`, `directory: 'https://ca.example/a'`),
    )
    expect(cas.map(({ name }) => name)).toEqual(['https://ca.example/a', 'https://ca.example/b'])
  })
})

describe('services of a node', () => {
  const node = (text: string) => minimal(`nodes: { n: { address: '192.0.2.1', ${text} } }`)
  const at = (port: number, address = '192.0.2.1') => ({ address, port, via: 'direct' as const })

  test('have defaults, endpoints of their own or those of the node, and keep their order', async () => {
    const { nodes } = await load(
      node(
        `endpoints: ['192.0.2.9'], services: { relay: { test: ['relay', '-t'], reload: ['relay', '-r'], endpoints: [{ port: 636 }] }, apache: {} }`,
      ),
    )
    expect(Object.entries(nodes['n']!.services)).toEqual([
      ['relay', { test: ['relay', '-t'], reload: ['relay', '-r'], combined: false, endpoints: [at(636)] }],
      [
        'apache',
        {
          test: ['apachectl', '-t'],
          reload: ['systemctl', 'reload', 'apache2'],
          combined: false,
          endpoints: [at(443, '192.0.2.9')],
        },
      ],
    ])
  })

  test('for mail have ports of their own, and begin in the clear where nobody does otherwise', async () => {
    const { nodes } = await load(
      node(
        `endpoints: ['192.0.2.9'], services: { postfix: { endpoints: ['192.0.2.1', '192.0.2.1:465', { port: 587 }, { port: 25, starttls: false }] }, dovecot: {} }`,
      ),
    )
    const { postfix, dovecot } = nodes['n']!.services
    expect(postfix?.endpoints).toEqual([
      { ...at(25), starttls: 'smtp' },
      at(465),
      { ...at(587), starttls: 'smtp' },
      at(25),
    ])
    expect(dovecot?.endpoints).toEqual([at(993)])
  })

  test('are nginx alone, also by the short way', async () => {
    const { nodes } = await load(node(`nginx: { test: ['openresty', '-t'] }`))
    expect(nodes['n']!.services).toEqual(nginxAlone({ test: ['openresty', '-t'], endpoints: [at(443)] }))
  })

  test.each([
    [
      `nginx: {}, services: { nginx: {} }`,
      'nodes["n"] has both nginx and services: nginx is the short way of services: { nginx: … }',
      'put its test and reload under nodes["n"].services.nginx',
    ],
    [
      `services: {}`,
      'nodes["n"].services is empty: nothing would read a new certificate',
      'name a service, or leave services out for nginx alone',
    ],
    [
      `services: { apcahe: {} }`,
      'nodes["n"].services.apcahe is no service that is known, and lacks its test or reload',
      `did you mean "apache"?\na service of your own needs both: apcahe: { test: ['…'], reload: ['systemctl', 'reload', '…'] }`,
    ],
  ])('can not be %s', async (text, message, hints) => {
    expect(await refusal(node(text))).toBe(`${message}\n\n${hints}`)
  })

  test('are called by names that stand between blanks', async () => {
    expect(await refusal(node(`services: { 'a b': { test: ['t'], reload: ['r'] } }`))).toContain(
      `nodes["n"].services["a b"]: a service's name has lower-case letters`,
    )
  })

  test('take no unknown key', async () => {
    expect(await refusal(node(`services: { apache: { restart: ['r'] } }`))).toContain('unknown key "restart"')
  })

  const certificate = (services: string) =>
    minimal(
      `nodes: { a: { address: '192.0.2.1', services: { nginx: {}, apache: {} } }, b: { address: '192.0.2.2' } }`,
      `'www.example.com': { nodes: ['a', 'b'], services: [${services}] }`,
    )

  test('that show no certificate anywhere are not all that read it', async () => {
    const blind = `nodes: { a: { address: '192.0.2.1', services: { nginx: {}, relay: { test: ['t'], reload: ['r'], endpoints: [] } } } }`
    const named = (services: string) => minimal(blind, `'www.example.com': { nodes: ['a']${services} }`)
    expect(await refusal(named(`, services: ['relay']`))).toBe(
      'certificates["www.example.com"]: a has no endpoint at which it could be verified\n\ngive nodes["a"], or one of its services, an endpoint',
    )
  })

  test('that read a certificate can be named', async () => {
    const { certificates } = await load(certificate(`'apache', 'nginx'`))
    expect(certificates['www.example.com']?.services).toEqual(['apache', 'nginx'])
  })

  test.each([
    [
      `'ngnix'`,
      'certificates["www.example.com"].services names "ngnix", which is not configured',
      'did you mean "nginx"?',
    ],
    [
      `'apache'`,
      'certificates["www.example.com"].services names apache, and b has none of them',
      `add one of its services (nginx), or take b out of the certificate's nodes`,
    ],
  ])('that read a certificate are there: %s', async (services, message, hint) => {
    expect(await refusal(certificate(services))).toBe(`${message}\n\n${hint}`)
  })
})
