import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { gandi } from '../../providers/gandi.ts'
import type { Provider } from '../../providers/provider.ts'
import { Secret } from '../../src/core/secret.ts'
import { describesHttpProvider } from '../contracts/http-provider.ts'
import { describesProvider } from '../contracts/provider.ts'
import { startGandiApi, type RecordSetApi } from '../support/record-set-apis.ts'

const zone = 'hachyderm.io'
const relative = (name: string): string => name.replace(`.${zone}`, '')
const record = { zone, name: `_acme-challenge.media.${zone}`, value: 'A-value_of-ours' }
const { signal } = new AbortController()

describe('gandi', () => {
  let api: RecordSetApi
  const open = ({ url = `${api.url}/v5/livedns`, wrong = api.token } = {}): Provider =>
    gandi({ accessToken: new Secret(wrong), apiUrl: url })
  const values = async (name: string): Promise<string[]> =>
    (api.sets.get(relative(name))?.records ?? []).map((each) => each.replaceAll('"', '')).toSorted()

  beforeAll(async () => {
    api = await startGandiApi(zone)
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
      const { ttl = 10_800, records = [] } = api.sets.get(relative(name)) ?? {}
      api.sets.set(relative(name), { ttl, records: [...records, `"${value}"`] })
    },
  }))

  describesHttpProvider(() => ({
    api,
    open,
    record,
    values,
    writes: ({ method }) => method !== 'GET',
    refusal: {
      message: /the personal access token is refused: 401 The server could not/,
      hint: 'accessToken',
    },
  }))

  test('leaves TTL and spelling of what others have put there', async () => {
    api.sets.set(relative(record.name), { ttl: 10_800, records: ['plain', '"in " "two strings"'] })
    await open().create(record, signal)
    await open().remove(record, signal)
    expect(api.sets.get(relative(record.name))).toEqual({
      ttl: 10_800,
      records: ['plain', '"in " "two strings"'],
    })
  })

  test('removes its value however it is shown', async () => {
    api.sets.set(relative(record.name), { ttl: 300, records: [record.value] })
    await open().remove(record, signal)
    expect(api.sets.size).toBe(0)
  })
})
