import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { desec } from '../../providers/desec.ts'
import type { Provider } from '../../providers/provider.ts'
import { Secret } from '../../src/core/secret.ts'
import {
  describesHttpClient,
  describesHttpProvider,
  type HttpProviderFixture,
} from '../contracts/http-provider.ts'
import { describesProvider } from '../contracts/provider.ts'
import { startDesecApi, type RecordSetApi } from '../support/record-set-apis.ts'

const zone = 'hachyderm.io'
const relative = (name: string): string => name.replace(`.${zone}`, '')
const record = { zone, name: `_acme-challenge.media.${zone}`, value: 'A-value_of-ours' }
const { signal } = new AbortController()

describe('desec', () => {
  let api: RecordSetApi
  const open = ({ url = `${api.url}/api/v1`, wrong = api.token } = {}): Provider =>
    desec({ apiToken: new Secret(wrong), apiUrl: url })
  const values = async (name: string): Promise<string[]> =>
    (api.sets.get(relative(name))?.records ?? []).map((each) => each.slice(1, -1)).toSorted()

  beforeAll(async () => {
    api = await startDesecApi(zone, 3600)
  })
  afterAll(() => api?.[Symbol.asyncDispose]())
  beforeEach(() => {
    api.sets.clear()
    api.requests.length = 0
    api.fault = () => undefined
  })

  describesProvider(() => ({
    provider: open(),
    zone,
    foreignZone: 'example.org',
    values,
    async addForeign(name, value) {
      const { ttl = 7200, records = [] } = api.sets.get(relative(name)) ?? {}
      api.sets.set(relative(name), { ttl, records: [...records, `"${value}"`] })
    },
  }))

  const http = (): HttpProviderFixture => ({
    api,
    open,
    record,
    values,
    writes: ({ method }) => method === 'PUT',
    refusal: { message: /the API token is refused: 401 Invalid token\.$/, hint: 'https://desec.io/tokens' },
  })
  describesHttpProvider(http)
  describesHttpClient(http)

  test('takes the lowest TTL of the zone, and asks for it once', async () => {
    const provider = open()
    await provider.create(record, signal)
    await provider.create({ ...record, name: `_acme-challenge.${zone}` }, signal)
    expect([...api.sets.values()].map(({ ttl }) => ttl)).toEqual([3600, 3600])
    expect(api.requests.filter((line) => line.endsWith(`/${zone}/`))).toHaveLength(1)
  })

  test('leaves the TTL of a set that is there as it is', async () => {
    api.sets.set(relative(record.name), { ttl: 7200, records: ['"theirs"'] })
    await open().create(record, signal)
    expect(api.sets.get(relative(record.name))).toEqual({
      ttl: 7200,
      records: ['"theirs"', `"${record.value}"`],
    })
  })

  test('writes at the own name of the zone, where a delegation may lead', async () => {
    await open().create({ ...record, name: zone }, signal)
    expect([...api.sets.keys()]).toEqual(['@'])
    await open().remove({ ...record, name: zone }, signal)
    expect(api.sets.size).toBe(0)
  })

  test('writes one name of a zone after the other, and gets through limits that it is told to wait for', async () => {
    let running = 0
    let most = 0
    let writes = 0
    api.fault = ({ method }) => {
      if (method !== 'PUT') return undefined
      most = Math.max(most, ++running)
      setImmediate(() => running--)
      // Every second write is one too many, as with two a second.
      return writes++ % 2 === 1 ? { status: 429, headers: { 'retry-after': '1' } } : undefined
    }
    const provider = open()
    const records = ['a', 'b', 'c', 'd', 'e'].map((label) => ({
      ...record,
      name: `_acme-challenge.${label}.${zone}`,
    }))
    await Promise.all(records.map((each) => provider.create(each, signal)))
    expect(api.sets.size).toBe(5)
    expect(most).toBe(1)
  })
})
