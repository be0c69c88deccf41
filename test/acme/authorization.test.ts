import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAuthorization } from '../../src/acme/authorization.ts'
import { parseDirectory } from '../../src/acme/wire.ts'
import { AcmeError } from '../../src/core/errors.ts'

const origin = { step: 'reading it at ca.example', directory: 'https://ca.example/dir' }
const url = 'https://ca.example/authz/1'
const issuers = ['ca.example', 'xn--bcher-kva.example']

const persist = { type: 'dns-persist-01', url: 'https://ca.example/chall/2', status: 'pending' }
const dns01 = { type: 'dns-01', url: 'https://ca.example/chall/1', status: 'pending', token: 'a'.repeat(43) }

function parse(challenges: readonly unknown[], method: 'dns-01' | 'dns-persist-01') {
  const value = { identifier: { type: 'dns', value: 'Example.com' }, status: 'pending', challenges }
  return parseAuthorization(value, { url, method }, origin)
}

describe('an authorization', () => {
  test('shows the challenge that was asked for among those that are offered', () => {
    const both = [{ type: 'future-02', url: 7 }, dns01, { ...persist, 'issuer-domain-names': issuers }]
    const offered = ['future-02', 'dns-01', 'dns-persist-01']
    expect(parse(both, 'dns-01')).toMatchObject({
      challenge: { method: 'dns-01', token: dns01.token },
      offered,
    })
    expect(parse(both, 'dns-persist-01')).toMatchObject({
      challenge: { method: 'dns-persist-01', issuers },
      offered,
    })
    expect(parse([dns01], 'dns-persist-01').challenge).toBeUndefined()
  })

  test('of another method may be malformed, for that is of no concern', () => {
    expect(parse([dns01, { ...persist, url: 7 }], 'dns-01').challenge).toBeDefined()
    const named = { ...persist, 'issuer-domain-names': issuers }
    expect(parse([{ ...dns01, token: '<script>' }, named], 'dns-persist-01').challenge).toBeDefined()
  })

  test('spells the names of the CA as either revision of the draft, and may say which account it wants', () => {
    const accounturi = 'https://ca.example/acct/1'
    expect(
      parse([{ ...persist, issuerDomainNames: issuers, accounturi }], 'dns-persist-01').challenge,
    ).toEqual({
      method: 'dns-persist-01',
      url: persist.url,
      status: 'pending',
      error: undefined,
      issuers,
      accountUri: accounturi,
    })
    for (const unusable of [7, '', 'a b', 'account-1', 'x;policy=wildcard', 'x'.repeat(2_001)]) {
      const challenge = { ...persist, issuerDomainNames: issuers, accounturi: unusable }
      expect(parse([challenge], 'dns-persist-01').challenge).toMatchObject({ accountUri: undefined })
    }
  })

  test.each([
    [undefined],
    [[]],
    [Array.from({ length: 11 }, (_, index) => `ca${index}.example`)],
    [['CA.example']],
    [['ca.example.']],
    [['büro.example']],
    [['ca.example; accounturi=x']],
    [[`${'a.'.repeat(130)}example`]],
    [['']],
    [[7]],
    ['ca.example'],
  ])('that names the CA as %j is malformed', (names) => {
    expect(() => parse([{ ...persist, issuerDomainNames: names }], 'dns-persist-01')).toThrow(AcmeError)
  })

  test('of any shape is read or refused, and nothing of it becomes a parameter', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (names, accounturi) => {
        const challenge = { ...persist, issuerDomainNames: names, accounturi }
        try {
          const read = parse([challenge], 'dns-persist-01').challenge
          expect(JSON.stringify(read)).not.toContain(';')
        } catch (error) {
          expect(error).toBeInstanceOf(AcmeError)
        }
      }),
    )
  })
})

describe('a directory', () => {
  const read = (meta: object) => {
    const urls = { newNonce: url, newAccount: url, newOrder: url }
    const { persistIssuers, accountHashPrefix } = parseDirectory({ ...urls, meta }, origin)
    return { persistIssuers, accountHashPrefix }
  }
  const prefix = 'https://ca.example/account-hash/'

  test.each<[object, ReturnType<typeof read>]>([
    [{}, { persistIssuers: [], accountHashPrefix: undefined }],
    [{ caaIdentities: ['CA.example'] }, { persistIssuers: ['ca.example'], accountHashPrefix: undefined }],
    [
      { caaIdentities: ['caa.example'], issuerDomainNames: issuers, accountHashPrefix: prefix },
      { persistIssuers: issuers, accountHashPrefix: prefix },
    ],
    [
      { caaIdentities: ['ca.example'], issuerDomainNames: ['Not usable'], accountHashPrefix: 'x;y' },
      { persistIssuers: ['ca.example'], accountHashPrefix: undefined },
    ],
  ])('with meta %j says how records name the CA', (meta, names) => {
    expect(read(meta)).toEqual(names)
  })
})
