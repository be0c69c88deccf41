import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { acmeDns } from '../../providers/acme-dns.ts'
import type { Provider, TxtRecord } from '../../providers/provider.ts'
import { ConfigError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { describesHttpProvider } from '../contracts/http-provider.ts'
import { describesProvider } from '../contracts/provider.ts'
import { startAcmeDnsApi, type Account, type AcmeDnsApi } from '../support/acme-dns-api.ts'

const zone = 'auth.hachyderm.io'
const { signal } = new AbortController()
const newValue = (): string => randomBytes(32).toString('base64url')

describe('acme-dns', () => {
  let api: AcmeDnsApi
  let accounts: Account[]
  const jsonOf = (given: readonly Account[]): Secret =>
    new Secret(JSON.stringify(Object.fromEntries(given.map((each, n) => [`d${n}.hachyderm.io`, each]))))
  const open = ({ url = api.url, wrong }: { url?: string; wrong?: string } = {}): Provider =>
    acmeDns({ url, accounts: jsonOf(accounts.map((each) => (wrong ? { ...each, password: wrong } : each))) })
  const recordOf = ({ fulldomain }: Account): TxtRecord => ({ zone, name: fulldomain, value: newValue() })

  beforeAll(async () => {
    api = await startAcmeDnsApi(zone, () => Math.floor(Date.now() / 1000))
  })
  afterAll(() => api?.[Symbol.asyncDispose]())
  beforeEach(() => {
    accounts = Array.from({ length: 3 }, () => api.register())
    api.requests.length = 0
    api.fault = () => undefined
  })

  describe('as a provider', () => {
    let left: Account[] = []
    let provider: Provider
    beforeEach(() => {
      left = [...accounts]
      provider = open()
    })
    describesProvider(() => ({
      provider,
      zone,
      foreignZone: 'example.org',
      values: async (name) => api.values(name),
      addForeign: async () => undefined,
      newName: () => left.pop()!.fulldomain,
      neverRemoves: 'acme-dns removes nothing: two later values push one out',
    }))
  })

  describesHttpProvider(() => ({
    api,
    open,
    record: recordOf(accounts[0]!),
    values: async (name) => api.values(name),
    writes: () => true,
    refusal: { message: /the account is refused: 401 forbidden$/, hint: 'accounts' },
    removes: false,
    looks: false,
  }))

  test.each([
    ['after the work', { cut: true, after: true }],
    ['before the work', { cut: true }],
  ] as const)('keeps the value of the wildcard when the answer for the apex is lost %s', async (_, fault) => {
    const provider = open()
    const wildcard = recordOf(accounts[0]!)
    const apex = { ...wildcard, value: newValue() }
    await provider.create(wildcard, signal)
    let failed = false
    api.fault = () => {
      if (failed) return undefined
      failed = true
      return fault
    }
    await provider.create(apex, signal)
    expect(api.values(apex.name)).toEqual([apex.value, wildcard.value].toSorted())
  })

  test('lets the values of a renewal push out those of the issuance', async () => {
    const provider = open()
    const record = recordOf(accounts[0]!)
    const values = [newValue(), newValue(), newValue(), newValue()]
    for (const value of values) {
      await provider.create({ ...record, value }, signal)
      await new Promise((resolve) => void setTimeout(resolve, 1000))
    }
    expect(api.values(record.name)).toEqual(values.slice(2).toSorted())
  })

  test('says for which name an account is missing, and how to make one', async () => {
    const record = { zone, name: `unknown.${zone}`, value: newValue() }
    await expect(open().create(record, signal)).rejects.toMatchObject({
      message: `no account in accounts of acme-dns has the fulldomain unknown.${zone}`,
      hints: [expect.stringContaining(`curl -X POST ${api.url}/register`)],
    })
  })

  test.each([
    ['no JSON', 'very-secret{'],
    ['an array', '["very-secret"]'],
    [
      'an account without a password',
      '{"a.example":{"username":"very-secret","subdomain":"s","fulldomain":"s.z"}}',
    ],
    [
      'a fulldomain elsewhere',
      '{"a.example":{"username":"u","password":"very-secret","subdomain":"s","fulldomain":"t.z"}}',
    ],
  ])('does not take %s for accounts, and shows nothing of it', (_, json) => {
    const make = () => acmeDns({ url: api.url, accounts: new Secret(json) })
    expect(make).toThrow(ConfigError)
    expect(make).not.toThrow(/very-secret/)
  })
})
