import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findPersist, refuseWithoutAccount } from '../../src/core/persist-finding.ts'
import type { Standing } from '../../src/core/persist-finding.ts'
import { judgePersist } from '../../src/core/persist.ts'
import { persistName, persistValue, showPersistTxt } from '../../src/core/persist-record.ts'
import type { PersistWish } from '../../src/core/persist-record.ts'

const now = new Date('2026-11-23T12:00:00Z')
const url = 'https://ca.example/acct/123'
const thumbprint = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'
const hashPrefix = 'https://ca.example/account-hash/'
const hashed = `${hashPrefix}sha-256/5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw`
const anyDomain = `${hashPrefix}sha-256/NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug`

const wish: PersistWish = {
  base: 'example.com',
  wildcard: false,
  issuers: ['ca.example', 'ca2.example'],
  account: { url, thumbprint },
}
const hashing = { account: { url, thumbprint, hashPrefix } }
const wild = { wildcard: true }
const unknown = { issuers: [] }

function judge(values: readonly string[], change: Partial<PersistWish> = {}): string {
  const verdict = judgePersist(values, { ...wish, ...change }, now)
  return verdict.kind === 'proves' ? 'proves' : `${verdict.kind}: ${verdict.because}`
}

describe('the record to set', () => {
  test.each<[string, Partial<PersistWish>, string]>([
    ['names the CA and the account', {}, `ca.example; accounturi=${url}`],
    ['opens wildcards', wild, `ca.example; accounturi=${url}; policy=wildcard`],
    ['hashes the account as revision 02 of the draft does', hashing, `ca.example; accounturi=${hashed}`],
    ['has a gap where the CA does not say its name', unknown, `CA-DOMAIN; accounturi=${url}`],
  ])('%s', (_what, change, value) => {
    expect(persistValue({ ...wish, ...change })).toBe(value)
    expect(judge([value], change)).toMatch(change === unknown ? 'unclear' : /^proves$/)
  })

  test('stands under the name, for a wildcard under the same', () => {
    expect(persistName('example.com')).toBe('_validation-persist.example.com')
    expect(persistName('*.example.com')).toBe('_validation-persist.example.com')
  })

  test('is cut into strings that a zone file can hold, and reads the same', () => {
    const value = `ca.example; accounturi=https://ca.example/${'a"b\\c'.repeat(100)}`
    const line = showPersistTxt('_validation-persist.example.com', value)
    expect(line).toMatch(/^_validation-persist\.example\.com\. 3600 IN TXT "[^]*" "[^]*" "[^]*"$/)
    const strings = [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text]) =>
      text!.replaceAll(/\\(.)/g, '$1'),
    )
    expect(strings.every((text) => text.length <= 255)).toBe(true)
    expect(strings.join('')).toBe(value)
  })
})

describe('what a CA would decide', () => {
  const ok = `ca.example; accounturi=${url}`
  test.each<[readonly string[], string, Partial<PersistWish>?]>([
    [[], 'lacking: no TXT record stands there'],
    [[ok], 'proves'],
    [[`ca2.example;accounturi=${url}`], 'proves'],
    [[` ca.example \t;  AccountURI \t=  ${url}  ;  future=x;policy=other `], 'proves'],
    [['v=spf1 -all', ok], 'proves'],
    [['v=spf1 -all'], 'lacking: no TXT record there is for ca.example or ca2.example'],
    [[`other.example; accounturi=${url}`], 'lacking: no TXT record there is for ca.example or ca2.example'],
    [[`ca.example.evil; accounturi=${url}`], 'lacking: no TXT record there is for ca.example or ca2.example'],
    [[`CA.example; accounturi=${url}`], 'lacking: it writes CA.example in upper case'],
    [['ca.example'], 'lacking: it names no account (accounturi)'],
    [['ca.example; accounturi='], 'lacking: it names no account (accounturi)'],
    [[`${ok};`], 'lacking: it ends in a semicolon, which CAs take for a missing parameter'],
    [[`ca.example; nonsense; accounturi=${url}`], 'lacking: its parameters are malformed'],
    [[`ca.example; accounturi=${url} x`], 'lacking: its parameters are malformed'],
    [[`${ok}; accounturi=${url}`], 'lacking: it says accounturi twice'],
    [[`${ok}; policy=wildcard; POLICY=wildcard`], 'lacking: it says policy twice'],
    [[`ca.example; accounturi=${url}4`], `lacking: it names another account: ${url}4`],
    [[`ca.example; accounturi=${url.toUpperCase()}`], /^lacking: it names another account/.source],
    [[`ca.example; accounturi=${url}4`, ok], 'proves'],
    // Wildcards.
    [[ok], 'lacking: it lacks policy=wildcard, so it does not prove *.example.com', wild],
    [[`${ok}; policy=other`], 'lacking: it lacks policy=wildcard, so it does not prove *.example.com', wild],
    [[`${ok}; Policy=WildCard`], 'proves', wild],
    [[`${ok}; policy=wildcard`], 'proves'],
    // Until when.
    [[`${ok}; persistUntil=1795435201`], 'proves'],
    [[`${ok}; persistUntil=1795435200`], 'lacking: its persistUntil has passed: 2026-11-23T12:00:00.000Z'],
    [[`${ok}; persistUntil=-1`], 'lacking: its persistUntil has passed: 1969-12-31T23:59:59.000Z'],
    [[`${ok}; persistUntil=2027-01-01`], 'lacking: its persistUntil is no number of seconds: 2027-01-01'],
    [[`${ok}; persistUntil=`], 'lacking: its persistUntil is no number of seconds: '],
    [[`${ok}; persistUntil=1e99`], 'lacking: its persistUntil is no number of seconds: 1e99'],
    [[`${ok}; persistUntil=999999999999999999`], 'proves'],
    // Hashed, as revision 02 of the draft wants it: bound to the name, or to any.
    [[`ca.example; accounturi=${hashed}`], 'proves', hashing],
    [[`ca.example; accounturi=${anyDomain}`], 'proves', hashing],
    [[ok], `lacking: it names another account: ${url}`, hashing],
    [
      [`ca.example; accounturi=${hashed}`],
      'unclear: it names an account by a hash that is not of its present key',
      { ...hashing, base: 'www.example.com' },
    ],
    [[`ca.example; accounturi=${hashed}`], `lacking: it names another account: ${hashed}`],
    // A CA that does not say its name: only our account tells that a record is meant for it.
    [[ok], 'unclear: the CA does not say by which names it is known', unknown],
    [
      ['google-site-verification=x', 'a.example; accounturi=y'],
      'lacking: no TXT record there is for our account',
      unknown,
    ],
  ])('from %j: %s', (values, verdict, change = {}) => {
    if (verdict.startsWith('^')) expect(judge(values, change)).toMatch(new RegExp(verdict))
    else expect(judge(values, change)).toBe(verdict)
  })
})

describe('in words', () => {
  const standing = (...answers: string[][]): Standing => ({
    zone: 'example.com',
    name: '_validation-persist.example.com',
    servers: answers.map((values, index) => ({
      shown: `ns${index + 1}.example.com (192.0.2.${index + 1})`,
      values,
    })),
  })
  const ok = `ca.example; accounturi=${url}`

  test('a missing record is printed as a zone file has it', () => {
    expect(findPersist(standing([], []), { ...wish, ...wild }, now)).toEqual({
      kind: 'lacking',
      facts: {
        message:
          'dns-persist-01 of *.example.com for ca.example fails at TXT _validation-persist.example.com: no TXT record stands there',
        hints: [
          `set in the zone example.com: _validation-persist.example.com. 3600 IN TXT "ca.example; accounturi=${url}; policy=wildcard"`,
        ],
      },
    })
  })

  test('the server that lags is named', () => {
    expect(findPersist(standing([ok], ['v=spf1'], [ok]), wish, now)).toMatchObject({
      kind: 'lacking',
      facts: {
        message:
          'dns-persist-01 of example.com for ca.example fails at TXT _validation-persist.example.com at ns2.example.com (192.0.2.2), unlike the other name servers: no TXT record there is for ca.example or ca2.example',
        hints: [
          expect.stringContaining('wait until all have it'),
          expect.stringContaining('set in the zone'),
        ],
      },
    })
  })

  test('what ends within 30 days stands, and is noted', () => {
    const until = (days: number) => `${ok}; persistUntil=${now.getTime() / 1000 + days * 86_400}`
    expect(findPersist(standing([until(31)]), wish, now)).toEqual({ kind: 'stands', value: until(31) })
    expect(findPersist(standing([until(31)], [until(29)]), wish, now)).toEqual({
      kind: 'stands',
      value: until(31),
      note: {
        message:
          'dns-persist-01 of example.com for ca.example ends in 29 days: TXT _validation-persist.example.com says persistUntil 2026-12-22 12:00 UTC',
        hints: [expect.stringContaining('set it anew, later or without: _validation-persist')],
      },
    })
  })

  test('what can not be judged is left to the CA, with what it should be', () => {
    expect(findPersist(standing([ok]), { ...wish, ...unknown }, now)).toMatchObject({
      kind: 'stands',
      note: { message: expect.stringContaining('can not be judged') },
    })
  })

  test('before there is an account, how to make one', () => {
    expect(refuseWithoutAccount('*.example.com', 'ca.example').hints).toEqual([
      'make it: certs account create',
      'then see the record to set: certs check',
    ])
  })
})

test('no text in DNS brings its reader down, holds it up, or reaches a terminal with control characters', () => {
  const part = fc.constantFrom(
    'ca.example',
    ';',
    ' ',
    '\t',
    '=',
    'accounturi',
    'policy',
    'persistUntil',
    url,
    '9',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.array(part, { maxLength: 20 }).map((parts) => parts.join('')),
    fc
      .string({ unit: 'binary', maxLength: 40 })
      .map((tail) => `ca.example; accounturi=${url}; persistUntil=${tail}`),
    fc.string({ unit: 'binary', maxLength: 40 }).map((tail) => `ca.example; accounturi=${tail}`),
  )
  const wishes = fc.constantFrom(wish, { ...wish, ...wild }, { ...wish, ...hashing }, { ...wish, ...unknown })
  fc.assert(
    fc.property(fc.array(text, { maxLength: 5 }), wishes, (values, wanted) => {
      const servers = [{ shown: 'ns', values }]
      const finding = findPersist({ zone: 'example.com', name: 'n.example.com', servers }, wanted, now)
      const said = finding.kind === 'lacking' ? finding.facts : (finding.note ?? {})
      expect(JSON.stringify(said)).toMatch(/^[ -~]*$/)
    }),
    { numRuns: 1000 },
  )
  const long = [' ', '\t ', 'a-', 'a=', ';', '; a', 'ca.example;'].map(
    (one) => `ca.example; ${one.repeat(30_000)}!`,
  )
  const began = performance.now()
  judgePersist(long, wish, now)
  judgePersist(
    long.map((one) => one.slice(0, 4_000)),
    wish,
    now,
  )
  expect(performance.now() - began).toBeLessThan(500)
})
