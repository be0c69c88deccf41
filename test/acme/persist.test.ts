import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openAccount } from '../../src/acme/account.ts'
import { defaultPace } from '../../src/acme/pace.ts'
import { readLeaf } from '../../src/core/certificate.ts'
import { AcmeError, ProviderError } from '../../src/core/errors.ts'
import { createSolver } from '../../src/dns/solve.ts'
import type { Solver } from '../../src/dns/solver.ts'
import { type Named, namedMissing, startNamed } from '../lab/named.ts'
import { type Pebble, startPebble } from '../lab/pebble.ts'
import { type AcmeProxy, startAcmeProxy } from '../support/acme-proxy.ts'
import { type Controller, createController } from '../support/issuing.ts'
import { createLedger } from '../support/pebble-ledger.ts'
import { createTestCa } from '../support/test-ca.ts'

const missing = await namedMissing()
if (missing) console.warn(`dns-persist-01 with a real name server: skipped: ${missing}`)

const method = 'dns-persist-01'
/** What pebble calls itself. */
const issuer = 'pebble.letsencrypt.org'

describe.skipIf(missing)('dns-persist-01 with pebble and bind9', () => {
  let named: Named
  let pebble: Pebble
  let proxy: AcmeProxy
  let solver: Solver
  let controller: Controller
  let account: string

  beforeAll(async () => {
    const ca = await createTestCa()
    named = await startNamed({
      zones: {
        'hachyderm.io': {
          records: `
            media CNAME cdn.geo.hachyderm.io.
            _validation-persist.led CNAME led.persist.nivenly.org.
            led A 192.0.2.1
            *.wild A 192.0.2.9`,
        },
        'persist.nivenly.org': {},
      },
    })
    // Without authorizations that are reused, each order asks for the record.
    const env = { PEBBLE_AUTHZREUSE: '0' }
    pebble = await startPebble({ dnsServer: `${named.address}:${named.port}`, ca, env })
    proxy = await startAcmeProxy(pebble.directory, ca)
    solver = createSolver({ providers: {}, resolvers: [named.address] })
    controller = await createController()
    const { store } = controller
    const signal = new AbortController().signal
    const deps = { store, emit: () => undefined, now: () => new Date(), signal, run: 'test' }
    using opened = await openAccount(deps, { settings: acme(), certificate: 'test', pace: defaultPace })
    account = (await opened.persistAccount()).url
  })
  beforeEach(() => proxy.reset())
  afterAll(async () => {
    await controller?.[Symbol.asyncDispose]()
    await proxy?.[Symbol.asyncDispose]()
    await pebble?.[Symbol.asyncDispose]()
    await named?.[Symbol.asyncDispose]()
  })

  const acme = () => ({ directory: proxy.directory, contact: [], caBundle: pebble.caBundle })
  const host = () => new URL(proxy.directory).host
  const issue = (names: readonly string[]) => controller.issue({ names, method, acme: acme(), solver })
  const refused = async (names: readonly string[]): Promise<Error> =>
    issue(names).then(
      () => Promise.reject(new Error('it was issued')),
      (error: Error) => error,
    )
  const set = (name: string, ...more: string[]): Promise<void> =>
    named.update(
      `update delete ${name} TXT`,
      `update add ${name} 60 TXT "${[`${issuer}; accounturi=${account}`, ...more].join('; ')}"`,
    )
  const updates = (): number => named.log().split('updating zone').length - 1

  test('issues and renews a name that is a CNAME, and writes nothing to DNS', async () => {
    await set('_validation-persist.media.hachyderm.io')
    const before = { zone: await named.dump('hachyderm.io'), updates: updates() }
    const ledger = createLedger(pebble)
    for (const number of [1, 2, 3]) {
      const version = await issue(['media.hachyderm.io'])
      expect(version.number).toBe(number)
      expect(readLeaf(version.leaf).names).toEqual(['media.hachyderm.io'])
    }
    expect(ledger()).toMatchObject({ orders: 3, certificates: 3 })
    expect(proxy.count('challenge')).toBeGreaterThanOrEqual(3)
    expect(before.updates).toBeGreaterThan(0)
    expect({ zone: await named.dump('hachyderm.io'), updates: updates() }).toEqual(before)
    expect(controller.kinds()).not.toContain('txt-created')
  })

  test('a wildcard and its name are proved by one record that opens wildcards', async () => {
    const record = '_validation-persist.hachyderm.io'
    await set(record)
    const error = await refused(['hachyderm.io', '*.hachyderm.io'])
    expect(error).toBeInstanceOf(ProviderError)
    expect(error).toMatchObject({
      message: `dns-persist-01 of *.hachyderm.io for ${host()} fails at TXT ${record}: it lacks policy=wildcard, so it does not prove *.hachyderm.io`,
      hints: [
        `set in the zone hachyderm.io: ${record}. 3600 IN TXT "${issuer}; accounturi=${account}; policy=wildcard"`,
      ],
    })
    await set(record, 'policy=wildcard')
    const { leaf } = await issue(['hachyderm.io', '*.hachyderm.io'])
    expect(readLeaf(leaf).names).toEqual(['*.hachyderm.io', 'hachyderm.io'])
  })

  test('a record whose name is a CNAME is looked at where it leads', async () => {
    expect(await refused(['led.hachyderm.io'])).toMatchObject({
      message: `dns-persist-01 of led.hachyderm.io for ${host()} fails at TXT led.persist.nivenly.org: no TXT record stands there`,
      hints: [expect.stringContaining('set in the zone persist.nivenly.org: led.persist.nivenly.org. 3600')],
    })
    await set('led.persist.nivenly.org')
    expect((await issue(['led.hachyderm.io'])).number).toBe(1)
  })

  test.each([
    ['there is none', [], 'no TXT record stands there'],
    [
      'it is for others',
      ['"other.example; accounturi=x"', '"v=spf1"'],
      `no TXT record there is for ${issuer}`,
    ],
    ['it names another account', [`"${issuer}; accounturi=https://a.example/8"`], 'it names another account'],
    [
      'it has ended',
      [`"${issuer}; accounturi=ACCOUNT; persistUntil=1700000000"`],
      'its persistUntil has passed',
    ],
  ])(
    'when %s, no challenge is spent, and the order waits until it is set',
    async (_what, values, because) => {
      const [name, record] = ['www.hachyderm.io', '_validation-persist.www.hachyderm.io']
      const add = values.map((value) => `update add ${record} 60 TXT ${value.replace('ACCOUNT', account)}`)
      await named.update(`update delete ${record} TXT`, ...add)
      const ledger = createLedger(pebble)
      const error = await refused([name])
      expect(error.message).toContain(`fails at TXT ${record}: ${because}`)
      expect(proxy.count('challenge')).toBe(0)
      await set(record)
      await issue([name])
      expect(ledger()).toMatchObject({ orders: 1, certificates: 1 })
    },
  )

  test('pebble refuses what we refuse: without our look it says the same', async () => {
    const record = '_validation-persist.refused.hachyderm.io'
    const blind: Solver = {
      ...solver,
      standing: async () => ({
        zone: 'hachyderm.io',
        name: record,
        servers: [{ shown: 'ns', values: [`${issuer}; accounturi=${account}; policy=wildcard`] }],
      }),
    }
    for (const [more, said] of [
      ['; persistUntil=1700000000', 'persistUntil'],
      ['8', 'accounturi mismatch'],
      [';', 'trailing semicolon'],
      ['; policy=x; policy=y', 'duplicate parameter'],
      ['; persistUntil=soon', 'malformed persistUntil'],
    ]) {
      await named.update(
        `update delete ${record} TXT`,
        `update add ${record} 60 TXT "${issuer}; accounturi=${account}${more}"`,
      )
      expect(await refused(['refused.hachyderm.io'])).toBeInstanceOf(ProviderError)
      const error = await controller
        .issue({ names: ['refused.hachyderm.io'], method, acme: acme(), solver: blind })
        .catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(AcmeError)
      expect((error as Error).message).toContain(said)
    }
  })

  test('a name that only a wildcard answers for is not taken off the net', async () => {
    const error = await refused(['a.wild.hachyderm.io'])
    expect(error.message).toBe(
      'a.wild.hachyderm.io exists only through a wildcard: it would stop resolving while _validation-persist.a.wild.hachyderm.io exists',
    )
  })

  test('a CA that wants the account hashed gets it so, bound to the name', async () => {
    const prefix = 'https://ca.example/account-hash/'
    proxy.fault('directory', {
      do: 'edit',
      edit: (answer) => {
        const directory = JSON.parse(answer.body) as { meta: object }
        const meta = { ...directory.meta, accountHashPrefix: prefix, issuerDomainNames: [issuer] }
        return { ...answer, body: JSON.stringify({ ...directory, meta }) }
      },
    })
    const hints = []
    for (const name of ['hash.hachyderm.io', 'hash2.hachyderm.io']) {
      const { hints: said } = (await refused([name])) as ProviderError
      const line = said[0]!.replace('set in the zone hachyderm.io: ', '')
      expect(line).toMatch(
        /"pebble\.letsencrypt\.org; accounturi=https:\/\/ca\.example\/account-hash\/sha-256\/[\w-]{43}"$/,
      )
      hints.push(line.split('accounturi=')[1])
      await named.update(`update add ${line}`)
    }
    expect(hints[0]).not.toBe(hints[1])
    // Pebble follows the revision before: what it refuses shows that ours was set, seen and answered.
    const error = await refused(['hash.hachyderm.io'])
    expect(error).toBeInstanceOf(AcmeError)
    expect(error.message).toContain('accounturi mismatch')
  })

  test('a CA that does not offer it: what it offers, and the way out', async () => {
    await set('_validation-persist.offer.hachyderm.io')
    proxy.fault('authorization', {
      do: 'edit',
      edit: (answer) => ({ ...answer, body: answer.body.replaceAll('dns-persist-01', 'dns-new-02') }),
    })
    const error = await refused(['offer.hachyderm.io'])
    expect(error.message).toMatch(
      /^the CA offers no dns-persist-01 challenge for offer\.hachyderm\.io: it offers .*dns-01/,
    )
    expect(error).toMatchObject({ hints: [expect.stringContaining("take challenge: 'dns-persist-01' from")] })
    proxy.reset()
    expect((await issue(['offer.hachyderm.io'])).number).toBe(1)
  })

  test.each([
    ['none', '[]'],
    ['too many', JSON.stringify(Array.from({ length: 11 }, (_, index) => `ca${index}.example`))],
    ['one that is no domain', '["Pebble; policy=wildcard"]'],
    ['no list', '"pebble.letsencrypt.org"'],
  ])(
    'a challenge with %s of the names of the CA is malformed; dns-01 beside it is not',
    async (_what, list) => {
      await set('_validation-persist.names.hachyderm.io')
      proxy.fault('authorization', {
        do: 'edit',
        edit: (answer) => ({
          ...answer,
          body: answer.body.replaceAll(/("issuer-domain-names":\s*)\[[^\]]*\]/g, `$1${list}`),
        }),
      })
      expect((await refused(['names.hachyderm.io'])).message).toMatch(/has no usable issuer-domain-names$/)
      const unable: Solver = {
        ...solver,
        locate: async () => Promise.reject(new ProviderError('dns-01 was tried')),
      }
      const other = controller.issue({ names: ['names.hachyderm.io'], acme: acme(), solver: unable })
      await expect(other).rejects.toThrow('dns-01 was tried')
    },
  )
})
