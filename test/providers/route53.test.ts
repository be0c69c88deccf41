import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Provider } from '../../providers/provider.ts'
import type { Route53Settings } from '../../providers/route53-client.ts'
import { route53 } from '../../providers/route53.ts'
import { ConfigError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { describesHttpProvider } from '../contracts/http-provider.ts'
import { describesProvider } from '../contracts/provider.ts'
import type { ApiFault } from '../support/json-api.ts'
import { startRoute53Api, type Route53Api } from '../support/route53-api.ts'

const zone = 'hachyderm.io'
const record = { zone, name: `_acme-challenge.media.${zone}`, value: 'A-value_of-ours' }
const { signal } = new AbortController()
const secret = new Secret('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY')

describe('route53', () => {
  let api: Route53Api
  const open = ({ url = api.url, wrong = api.accessKeyId } = {}): Provider =>
    route53({ credentials: 'key', accessKeyId: wrong, secretAccessKey: secret, apiUrl: url })
  const values = async (name: string): Promise<string[]> =>
    (api.sets.get(`${name}.`)?.values ?? []).map((each) => each.slice(1, -1)).toSorted()

  beforeAll(async () => {
    const twins = Array.from({ length: 150 }, (_, n) => ({ id: `ZA${1000 + n}`, name: zone, private: true }))
    const others = [
      { id: 'ZB', name: zone },
      { id: 'ZP', name: 'nivenly.org', private: true },
      { id: 'ZM', name: `zzz.${zone}` },
    ]
    api = await startRoute53Api([...twins, ...others])
  })
  afterAll(() => api?.[Symbol.asyncDispose]())
  beforeEach(() => {
    api.sets.clear()
    api.requests.length = 0
    api.fault = () => undefined
    api.onPoll = () => undefined
    api.pending = 0
  })

  describesProvider(() => ({
    provider: open(),
    zone,
    foreignZone: 'example.org',
    values,
    async addForeign(name, value) {
      const { ttl = 300, values: held = [] } = api.sets.get(`${name}.`) ?? {}
      api.sets.set(`${name}.`, { ttl, values: [...held, `"${value}"`] })
    },
  }))

  describesHttpProvider(() => ({
    api,
    open,
    record,
    values,
    writes: ({ method, url }) => method === 'POST' && url.pathname.endsWith('/rrset'),
    refusal: {
      message: /the AWS credentials are refused: The security token .* \(InvalidClientTokenId\)$/,
      hint: 'ChangeResourceRecordSets',
    },
  }))

  test('does not take a private zone, and finds the public one behind a page of private twins', async () => {
    expect(await open().holdsZone('nivenly.org', signal)).toBe(false)
    expect(await open().holdsZone(zone, signal)).toBe(true)
    expect(api.requests.filter((line) => line.includes('hostedzonesbyname'))).toHaveLength(3)
  })

  test('is done when the change is INSYNC, not before', async () => {
    api.pending = 1
    const seen: boolean[] = []
    let created = false
    api.onPoll = () => void seen.push(created)
    await open()
      .create(record, signal)
      .then(() => (created = true))
    expect(seen).toEqual([false, false])
  })

  test('does not overwrite what somebody else changes between its look and its change', async () => {
    let meddled = false
    api.fault = ({ method, url }) => {
      if (method === 'POST' && url.pathname.endsWith('/rrset') && !meddled) {
        meddled = true
        api.sets.set(`${record.name}.`, { ttl: 300, values: ['"theirs"'] })
      }
      return undefined
    }
    await open().create(record, signal)
    expect(await values(record.name)).toEqual([record.value, 'theirs'].toSorted())
  })

  test('leaves the TTL of a set that is there as it is, and asks in one batch', async () => {
    api.sets.set(`${record.name}.`, { ttl: 300, values: ['"theirs"'] })
    await open().create(record, signal)
    expect(api.sets.get(`${record.name}.`)).toEqual({ ttl: 300, values: ['"theirs"', `"${record.value}"`] })
    expect(api.requests.filter((line) => line.startsWith('POST'))).toHaveLength(1)
  })

  test('waits and tries again when AWS limits', async () => {
    const throttled: ApiFault = {
      status: 400,
      body: '<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>',
    }
    let left = 4
    api.fault = ({ method }) => (method === 'POST' && left-- > 0 ? throttled : undefined)
    await open().create(record, signal)
    expect(await values(record.name)).toEqual([record.value])
  })

  test('stops waiting when the signal aborts, with its reason', async () => {
    const controller = new AbortController()
    const reason = new Error('stopped by Ctrl-C')
    api.pending = Infinity
    api.onPoll = () => controller.abort(reason)
    await expect(open().create(record, controller.signal)).rejects.toBe(reason)
  })

  test('takes nothing from the environment unless told to', async () => {
    const variables = {
      AWS_ACCESS_KEY_ID: 'AKIAOTHER',
      AWS_SECRET_ACCESS_KEY: 'other',
      AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
      AWS_ENDPOINT_URL_ROUTE_53: 'http://127.0.0.1:9',
      AWS_REGION: 'eu-central-1',
      AWS_USE_FIPS_ENDPOINT: 'true',
    }
    Object.assign(process.env, variables)
    try {
      expect(await open().holdsZone(zone, signal)).toBe(true)
      process.env['AWS_ACCESS_KEY_ID'] = api.accessKeyId
      expect(await route53({ credentials: 'aws', apiUrl: api.url }).holdsZone(zone, signal)).toBe(true)
    } finally {
      for (const name of Object.keys(variables)) delete process.env[name]
    }
  })

  test.each<[string, Route53Settings]>([
    ['a key without its secret', { credentials: 'key', accessKeyId: 'AKIAIOSFODNN7EXAMPLE' }],
    [
      'a key and the way to find one',
      { credentials: 'aws', accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: secret },
    ],
  ])('does not take %s', (_, settings) => {
    expect(() => route53(settings)).toThrow(ConfigError)
  })
})
