import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { digitalocean } from '../../providers/digitalocean.ts'
import type { Provider } from '../../providers/provider.ts'
import { Secret } from '../../src/core/secret.ts'
import { describesHttpProvider } from '../contracts/http-provider.ts'
import { describesProvider } from '../contracts/provider.ts'
import { startDigitalOceanApi, type DigitalOceanApi } from '../support/digitalocean-api.ts'

const zone = 'hachyderm.io'
const relative = (name: string): string => name.replace(`.${zone}`, '')
const record = { zone, name: `_acme-challenge.media.${zone}`, value: 'A-value_of-ours' }
const { signal } = new AbortController()

describe('digitalocean', () => {
  let api: DigitalOceanApi
  const open = ({ url = api.url, wrong = api.token } = {}): Provider =>
    digitalocean({ apiToken: new Secret(wrong), apiUrl: url })
  const values = async (name: string): Promise<string[]> =>
    api.records
      .filter((each) => each.name === relative(name))
      .map(({ data }) => data)
      .toSorted()

  beforeAll(async () => {
    api = await startDigitalOceanApi(zone)
  })
  afterAll(() => api?.[Symbol.asyncDispose]())
  beforeEach(() => {
    api.records.length = 0
    api.requests.length = 0
    api.fault = () => undefined
  })

  describesProvider(() => ({
    provider: open(),
    zone,
    foreignZone: 'example.org',
    values,
    addForeign: async (name, value) => api.add(relative(name), value),
  }))

  describesHttpProvider(() => ({
    api,
    open,
    record,
    values,
    writes: ({ method }) => method !== 'GET',
    refusal: { message: /the API token is refused: 401 Unable to authenticate you$/, hint: 'domain' },
  }))

  test('finds its value behind more than a page of others', async () => {
    for (let n = 0; n < 450; n++) api.add(relative(record.name), `other ${n}`)
    await open().create(record, signal)
    await open().create(record, signal)
    expect(await values(record.name)).toHaveLength(451)
    await open().remove(record, signal)
    expect(await values(record.name)).toHaveLength(450)
  })

  test("writes at the zone's own name, where a delegation may lead", async () => {
    await open().create({ ...record, name: zone }, signal)
    expect(api.records).toMatchObject([{ name: '@', type: 'TXT', data: record.value, ttl: 30 }])
    await open().remove({ ...record, name: zone }, signal)
    expect(api.records).toEqual([])
  })
})
