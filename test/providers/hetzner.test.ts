import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { hetzner } from '../../providers/hetzner.ts'
import type { Provider } from '../../providers/provider.ts'
import { Secret } from '../../src/core/secret.ts'
import { describesHttpProvider } from '../contracts/http-provider.ts'
import { describesProvider } from '../contracts/provider.ts'
import { startHetznerApi, type HetznerApi } from '../support/hetzner-api.ts'

const zone = 'hachyderm.io'
const relative = (name: string): string => name.replace(`.${zone}`, '')
const record = { zone, name: `_acme-challenge.media.${zone}`, value: 'A-value_of-ours' }
const { signal } = new AbortController()

describe('hetzner', () => {
  let api: HetznerApi
  const open = ({ url = `${api.url}/v1`, wrong = api.token } = {}): Provider =>
    hetzner({ apiToken: new Secret(wrong), apiUrl: url })
  const values = async (name: string): Promise<string[]> =>
    (api.sets.get(relative(name))?.values ?? []).map((each) => each.slice(1, -1)).toSorted()

  beforeAll(async () => {
    api = await startHetznerApi({ [zone]: 'primary', 'nivenly.org': 'secondary' })
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
      const set = api.sets.get(relative(name)) ?? { ttl: 3600, values: [] }
      api.sets.set(relative(name), { ...set, values: [...set.values, `"${value}"`] })
    },
  }))

  describesHttpProvider(() => ({
    api,
    open,
    record,
    values,
    writes: ({ method }) => method === 'POST',
    refusal: {
      message: /the API token is refused: 401 the token you are trying to use is invalid$/,
      hint: 'Read & Write token',
    },
  }))

  test('does not hold a secondary zone, which is written elsewhere', async () => {
    expect(await open().holdsZone('nivenly.org', signal)).toBe(false)
  })

  test('is done when the action is, not before', async () => {
    await open().create(record, signal)
    expect(api.requests.at(-1)).toMatch(/^GET \/v1\/actions\/\d+$/)
    expect(await values(record.name)).toEqual([record.value])
  })

  test('says why an action failed', async () => {
    api.failAction('zone is broken')
    await expect(open().create(record, signal)).rejects.toThrow(
      'add_records for TXT _acme-challenge.media.hachyderm.io at Hetzner failed: zone is broken',
    )
  })

  test.each([409, 423])('tries again after a %d: another action changes the zone', async (status) => {
    let failed = false
    api.fault = ({ method }) => {
      if (failed || method !== 'POST') return undefined
      failed = true
      return { status, body: { error: { code: 'locked', message: 'locked' } } }
    }
    await open().create(record, signal)
    expect(await values(record.name)).toEqual([record.value])
  })

  test('leaves the TTL of a set that is there as it is', async () => {
    api.sets.set(relative(record.name), { ttl: 3600, values: ['"theirs"'] })
    await open().create(record, signal)
    expect(api.sets.get(relative(record.name))).toEqual({
      ttl: 3600,
      values: ['"theirs"', `"${record.value}"`],
    })
  })
})
