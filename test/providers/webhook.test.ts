import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { webhook } from '../../providers/webhook.ts'
import type { Provider } from '../../providers/provider.ts'
import { ConfigError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { describesHttpProvider } from '../contracts/http-provider.ts'
import { describesProvider } from '../contracts/provider.ts'
import { startJsonApi, type ApiRequest, type JsonApi } from '../support/json-api.ts'

const zone = 'hachyderm.io'
const record = { zone, name: `_acme-challenge.media.${zone}`, value: 'A-value_of-ours' }
const { signal } = new AbortController()
const password = 'password-of-the-hook-0123456789'
const login = `Basic ${Buffer.from(`certs:${password}`).toString('base64')}`

describe('webhook', () => {
  let api: JsonApi
  /** As a careful hook does: the same request twice changes nothing. */
  const held = new Set<string>()
  const open = ({ url = `${api.url}/hook`, wrong = password } = {}): Provider =>
    webhook({ url, username: 'certs', password: new Secret(wrong), zones: [zone] })
  const values = async (name: string): Promise<string[]> =>
    [...held].flatMap((each) => (each.startsWith(`${name}. `) ? (each.split(' ')[1] ?? []) : [])).toSorted()

  beforeAll(async () => {
    api = await startJsonApi(({ method, url, headers, body }: ApiRequest) => {
      if (headers.authorization !== login) return { status: 401, body: 'who are you?' }
      const { fqdn, value } = body as { fqdn: string; value: string }
      if (method !== 'POST') return { status: 405 }
      if (url.pathname === '/hook/present') held.add(`${fqdn} ${value}`)
      else if (url.pathname === '/hook/cleanup') held.delete(`${fqdn} ${value}`)
      else return { status: 404 }
      return { status: 200, body: 'ok' }
    })
  })
  afterAll(() => api?.[Symbol.asyncDispose]())
  beforeEach(() => {
    held.clear()
    api.requests.length = 0
    api.fault = () => undefined
  })

  describesProvider(() => ({
    provider: open(),
    zone,
    foreignZone: 'example.org',
    values,
    addForeign: async (name, value) => void held.add(`${name}. ${value}`),
  }))

  describesHttpProvider(() => ({
    api,
    open,
    record,
    values,
    writes: () => true,
    refusal: { message: /the login certs is refused: 401 who are you\?$/, hint: 'username and password' },
    looks: false,
  }))

  test("sends what lego's httpreq sends", async () => {
    const sent: string[] = []
    api.fault = ({ text }) => {
      sent.push(text)
      return undefined
    }
    await open().create(record, signal)
    await open().remove(record, signal)
    expect(api.requests).toEqual(['POST /hook/present', 'POST /hook/cleanup'])
    const both = '{"fqdn":"_acme-challenge.media.hachyderm.io.","value":"A-value_of-ours"}'
    expect(sent).toEqual([both, both])
  })

  test('takes any zone unless told which', async () => {
    expect(await webhook({ url: api.url }).holdsZone('example.org', signal)).toBe(true)
  })

  test('says that a login is asked for when none is configured', async () => {
    await expect(webhook({ url: `${api.url}/hook` }).create(record, signal)).rejects.toMatchObject({
      message: expect.stringContaining('a request without a login is refused: 401'),
    })
  })

  test('wants username and password together', () => {
    expect(() => webhook({ url: api.url, username: 'certs' })).toThrow(ConfigError)
  })
})
