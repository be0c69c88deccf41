import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { cloudflare } from '../../providers/cloudflare.ts'
import type { Provider, TxtRecord } from '../../providers/provider.ts'
import { ConfigError, ProviderError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { describesProvider } from '../contracts/provider.ts'
import { startCloudflareApi, type CloudflareApi, type Fault } from '../support/cloudflare-api.ts'

const zone = 'hachyderm.io'
const signal = new AbortController().signal
const record: TxtRecord = { zone, name: `_acme-challenge.media.${zone}`, value: 'A-value_of-ours' }

describe('cloudflare through its SDK', () => {
  let api: CloudflareApi
  let provider: Provider

  beforeAll(async () => {
    const others = Array.from({ length: 120 }, (_, n) => ({
      id: `o${n}`,
      name: `zone${n}.example`,
      status: 'active',
    }))
    const moved = { id: 'zm', name: 'nivenly.org', status: 'moved' }
    api = await startCloudflareApi([...others, moved, { id: 'z1', name: zone, status: 'active' }])
  })
  afterAll(() => api?.[Symbol.asyncDispose]())
  beforeEach(() => {
    api.records.length = 0
    api.requests.length = 0
    api.fault = () => undefined
    provider = cloudflare({ apiToken: new Secret(api.token), apiUrl: api.url })
  })

  describesProvider(() => ({
    provider,
    zone,
    foreignZone: 'example.org',
    async values(name) {
      const found = api.records.filter((each) => each.name === name && each.type === 'TXT')
      return found.map((each) => each.content.replaceAll('"', '')).toSorted()
    },
    async addForeign(name, value) {
      api.records.push({ id: `f${api.records.length}`, zone: 'z1', type: 'TXT', name, content: value })
    },
  }))

  /** Gives the faults to the requests of the method, one after the other, then none. */
  function failFirst(method: string, ...faults: readonly Fault[]): void {
    const left = [...faults]
    api.fault = (request) => (request.method === method ? left.shift() : undefined)
  }

  test('adds with one look for the zone and one request, and keeps the zone for the next', async () => {
    await provider.create(record, signal)
    await provider.create({ ...record, value: 'second' }, signal)
    expect(api.requests).toEqual([
      'GET /client/v4/zones?name=hachyderm.io&per_page=50',
      'POST /client/v4/zones/z1/dns_records',
      'POST /client/v4/zones/z1/dns_records',
    ])
    expect(api.records[0]).toMatchObject({ type: 'TXT', name: record.name, content: '"A-value_of-ours"' })
  })

  test('does not hold a zone that has moved away', async () => {
    expect(await provider.holdsZone('nivenly.org', signal)).toBe(false)
  })

  test('finds its value behind more than a page of others', async () => {
    const other = (n: number) => ({
      id: `x${n}`,
      zone: 'z1',
      type: 'TXT',
      name: record.name,
      content: `"other ${n}"`,
    })
    api.records.push(...Array.from({ length: 230 }, (_, n) => other(n)))
    await provider.create(record, signal)
    await provider.remove(record, signal)
    expect(api.records).toHaveLength(230)
  })

  test.each<[string, Fault]>([
    ['a 500 that came before the work', { status: 500 }],
    ['a 500 that came after it', { status: 500, after: true }],
    ['a connection that was cut before the work', { cut: true }],
    ['a connection that was cut after it', { cut: true, after: true }],
    [
      'an HTML page',
      { status: 502, body: '<html>Bad gateway</html>', headers: { 'content-type': 'text/html' } },
    ],
    ['a 429', { status: 429, headers: { 'retry-after': '0' } }],
  ])('leaves one record after %s, and looks before it adds again', async (_, fault) => {
    failFirst('POST', fault)
    await provider.create(record, signal)
    expect(api.records).toHaveLength(1)
    const [first, second] = api.requests.filter((line) => line.includes('dns_records'))
    expect(first).toMatch(/^POST/)
    expect(second).toMatch(/^GET .*name\.exact=_acme-challenge\.media/)
  })

  test('removes once when the answer to the first removal was lost', async () => {
    await provider.create(record, signal)
    failFirst('DELETE', { cut: true, after: true })
    await provider.remove(record, signal)
    expect(api.records).toEqual([])
  })

  test('waits as long as Retry-After says', async () => {
    failFirst('GET', { status: 429, headers: { 'retry-after': '1' } })
    const begun = performance.now()
    await provider.create(record, signal)
    expect(performance.now() - begun).toBeGreaterThan(990)
    expect(performance.now() - begun).toBeLessThan(3000)
  })

  test('fails at once when Retry-After is longer than a run can wait', async () => {
    api.fault = () => ({ status: 429, headers: { 'retry-after': '3600' } })
    const begun = performance.now()
    await expect(provider.create(record, signal)).rejects.toMatchObject({
      message: expect.stringContaining('failed: 429'),
      hints: ['the API limits this account: wait some minutes and run again'],
    })
    expect(performance.now() - begun).toBeLessThan(1000)
  })

  test('names the token, what it needs and where, and never shows it', async () => {
    const wrong = 'wrong-token-of-somebody'
    const refused = cloudflare({ apiToken: new Secret(wrong), apiUrl: api.url })
    const error = await refused.holdsZone(zone, signal).catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(ProviderError)
    expect(error).toMatchObject({
      message:
        'looking for the zone hachyderm.io at Cloudflare failed: the API token is refused: 403 Authentication error (10000)',
      hints: [expect.stringContaining('Zone / DNS / Edit for hachyderm.io')],
    })
    expect(`${JSON.stringify(error)}${String(error)}`).not.toContain(wrong)
    expect(api.requests).toHaveLength(1)
  })

  test('says that nothing answers, with the reason of the network', { timeout: 15_000 }, async () => {
    const nowhere = cloudflare({ apiToken: new Secret('t'), apiUrl: 'http://127.0.0.1:1/client/v4' })
    await expect(nowhere.holdsZone(zone, signal)).rejects.toThrow(
      /failed: no answer: .*(ECONNREFUSED|bad port)/,
    )
  })

  test('does not follow a redirect with the token', { timeout: 15_000 }, async () => {
    api.fault = () => ({ status: 302, headers: { location: `${api.url}/elsewhere` } })
    await expect(provider.holdsZone(zone, signal)).rejects.toThrow(/failed: no answer: .*redirect/)
    expect(api.requests.filter((line) => line.includes('elsewhere'))).toEqual([])
  })

  test('takes nothing from the environment', async () => {
    Object.assign(process.env, {
      CLOUDFLARE_EMAIL: 'a@example.com',
      CLOUDFLARE_API_KEY: 'k',
      CLOUDFLARE_LOG: 'debug',
    })
    try {
      await cloudflare({ apiToken: new Secret(api.token), apiUrl: api.url }).create(record, signal)
    } finally {
      for (const name of ['CLOUDFLARE_EMAIL', 'CLOUDFLARE_API_KEY', 'CLOUDFLARE_LOG'])
        delete process.env[name]
    }
    expect(api.records).toHaveLength(1)
  })

  test.each(['http://api.cloudflare.com/client/v4', 'ftp://127.0.0.1/', 'nonsense'])(
    'refuses to send the token to %s',
    (apiUrl) => {
      expect(() => cloudflare({ apiToken: new Secret('t'), apiUrl })).toThrow(ConfigError)
    },
  )
})
