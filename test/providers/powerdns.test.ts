import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { powerdns } from '../../providers/powerdns.ts'
import type { Provider } from '../../providers/provider.ts'
import { ConfigError, ProviderError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { describesProvider } from '../contracts/provider.ts'
import { powerDnsMissing, startPowerDns, type PowerDns } from '../lab/powerdns.ts'

const missing = await powerDnsMissing()
if (missing) console.warn(`powerdns: skipped: ${missing}`)

const zone = 'hachyderm.io'
const record = { zone, name: `_acme-challenge.media.${zone}`, value: 'A-value_of-ours' }
const { signal } = new AbortController()

describe.skipIf(missing).each(['Native', 'Master'] as const)('powerdns on a real server, %s zone', (kind) => {
  let server: PowerDns
  const open = ({ url = server.url, key = server.apiKey } = {}): Provider =>
    powerdns({ apiUrl: url, apiKey: new Secret(key) })

  interface Shown {
    readonly rrsets: readonly {
      name: string
      ttl: number
      records: { content: string; disabled: boolean }[]
    }[]
  }
  async function shown(name: string) {
    const { rrsets } = (await server.api(
      'GET',
      `/zones/${zone}.?rrset_name=${name}.&rrset_type=TXT`,
    )) as Shown
    return rrsets[0]
  }
  async function addForeign(name: string, value: string, disabled = false): Promise<void> {
    const records = [...((await shown(name))?.records ?? []), { content: `"${value}"`, disabled }]
    const set = { name: `${name}.`, type: 'TXT', ttl: 7200, changetype: 'REPLACE', records }
    await server.api('PATCH', `/zones/${zone}.`, { rrsets: [set] })
  }

  beforeAll(async () => {
    server = await startPowerDns({ [zone]: kind, 'nivenly.org': 'Slave' })
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  describesProvider(() => ({
    provider: open(),
    zone,
    foreignZone: 'example.org',
    values: (name) => server.txt(name),
    addForeign: (name, value) => addForeign(name, value),
  }))

  test('does not hold a zone that follows another server', async () => {
    expect(await open().holdsZone('nivenly.org', signal)).toBe(false)
  })

  test('keeps all of ten values that are added to one name at once', async () => {
    const provider = open()
    const records = Array.from({ length: 10 }, (_, n) => ({ ...record, value: `value-${n}` }))
    await Promise.all(records.map((each) => provider.create(each, signal)))
    expect(await server.txt(record.name)).toEqual(records.map(({ value }) => value))
    await Promise.all(records.map((each) => provider.remove(each, signal)))
    expect(await shown(record.name)).toBeUndefined()
  })

  test('leaves TTL and records of others as they are', async () => {
    const name = `_acme-challenge.kept.${zone}`
    await addForeign(name, 'theirs')
    const before = await shown(name)
    await open().create({ ...record, name }, signal)
    expect(await server.txt(name)).toEqual([record.value, 'theirs'])
    await open().remove({ ...record, name }, signal)
    expect(await shown(name)).toEqual(before)
  })

  test('is not content with a record of its value that is switched off', async () => {
    const name = `_acme-challenge.off.${zone}`
    await addForeign(name, record.value, true)
    await open().create({ ...record, name }, signal)
    expect(await server.txt(name)).toEqual([record.value])
    await open().remove({ ...record, name }, signal)
    expect(await server.txt(name)).toEqual([])
  })

  test('changes nothing in the zone but the record and the serial', async () => {
    const records = async () => {
      const { rrsets } = (await server.api('GET', `/zones/${zone}.`)) as { rrsets: { type: string }[] }
      return rrsets.filter(({ type }) => type !== 'SOA')
    }
    const before = await records()
    await open().create(record, signal)
    expect((await records()).length).toBe(before.length + 1)
    await open().remove(record, signal)
    expect(await records()).toEqual(before)
  })

  test('names the key that is refused and where to compare it, and never shows it', async () => {
    const error = await open({ key: 'wrong-key-0123456789' })
      .holdsZone(zone, signal)
      .catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(ProviderError)
    expect(error).toMatchObject({
      message: expect.stringMatching(/at PowerDNS \(127\.0\.0\.1:\d+\) failed: the API key is refused: 401/),
      hints: [expect.stringContaining('api-key')],
    })
    expect(`${JSON.stringify(error)}${String(error)}`).not.toContain('wrong-key')
  })

  test('says what PowerDNS says about a name outside of the zone', async () => {
    const outside = { ...record, name: '_acme-challenge.example.org' }
    await expect(open().create(outside, signal)).rejects.toThrow(/failed: 422 .*out of zone/i)
  })

  test.each(['/api', '/api/v1', '/'])('takes its address with %s at the end, too', async (path) => {
    expect(await open({ url: `${server.url}${path}` }).holdsZone(zone, signal)).toBe(true)
  })
})

describe('the address of powerdns', () => {
  const open = (apiUrl: string) => powerdns({ apiUrl, apiKey: new Secret('k') })

  test.each([
    'https://dns.example.com',
    'http://10.1.2.3:8081',
    'http://[fd00::1]:8081',
    'http://localhost:8081',
  ])('may be %s', (url) => expect(() => open(url)).not.toThrow())

  test.each([
    'http://dns.example.com:8081',
    'http://203.0.113.5:8081',
    'http://[2001:db8::1]',
    '10.1.2.3:8081',
  ])('may not be %s, where the key would go in the clear', (url) =>
    expect(() => open(url)).toThrow(ConfigError),
  )
})
