import { Buffer } from 'node:buffer'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findCaaObstacle } from '../../src/core/caa-finding.ts'
import { judgeCaa, lockingRecord, readCaa, showCaa, type CaaRecord } from '../../src/core/caa.ts'

const account = 'https://ca.example/acct/7'
const issuer = { identities: ['letsencrypt.org'], account }

/** `issue "value"` or `128 tag "value"`, as in a zone file. */
function record(line: string): CaaRecord {
  const [, flags = '0', tag = '', value = ''] = /^(?:(\d+) )?(\w+) "(.*)"$/.exec(line) ?? []
  return { critical: Number(flags) >= 128, tag, value }
}

function judge(identifier: string, lines: readonly string[], by: typeof issuer | object = {}): string {
  const set = { owner: 'hachyderm.io', records: lines.map(record) }
  const verdict = judgeCaa(identifier, set, { ...issuer, ...by })
  return 'because' in verdict ? `${verdict.kind}: ${verdict.because}` : verdict.kind
}

const name = 'media.hachyderm.io'
const wildcard = '*.hachyderm.io'
const onlyOther = 'forbidden: it lets only sectigo.com issue, and this CA is letsencrypt.org'

describe('CAA', () => {
  test.each<[string, readonly string[], string]>([
    [name, [], 'allowed'],
    [name, ['iodef "mailto:a@example.com"'], 'allowed'],
    [name, ['issue "letsencrypt.org"'], 'allowed'],
    [name, ['issue "LetsEncrypt.ORG"'], 'allowed'],
    [name, ['issue " \t letsencrypt.org \t "'], 'allowed'],
    [name, ['issue "letsencrypt.org;"'], 'allowed'],
    [name, ['issue "letsencrypt.org ; policy=ev"'], 'allowed'],
    [name, ['128 issue "letsencrypt.org"'], 'allowed'],
    [name, ['issue "sectigo.com"', 'issue "letsencrypt.org"'], 'allowed'],
    [name, ['issue "sectigo.com"'], onlyOther],
    [name, ['issue ";"'], 'forbidden: it lets nobody issue'],
    [name, ['issue ""'], 'forbidden: it lets nobody issue'],
    [name, ['issue ";"', 'issue "letsencrypt.org"'], 'allowed'],
    [name, ['issue "%%%%%"'], 'forbidden: its value is malformed, which authorizes nobody'],
    [name, ['issue "letsencrypt.org; broken"'], 'forbidden: its value is malformed, which authorizes nobody'],
    [name, ['issue "letsencrypt.org."'], 'forbidden: its value is malformed, which authorizes nobody'],
    // Wildcards have records of their own, which say nothing of other names.
    [name, ['issuewild "sectigo.com"'], 'allowed'],
    [name, ['issue "letsencrypt.org"', 'issuewild ";"'], 'allowed'],
    [wildcard, ['issue "letsencrypt.org"'], 'allowed'],
    [wildcard, ['issue "letsencrypt.org"', 'issuewild ";"'], 'forbidden: it lets nobody issue'],
    [wildcard, ['issue "sectigo.com"', 'issuewild "letsencrypt.org"'], 'allowed'],
    [wildcard, ['issue "letsencrypt.org"', 'issuewild "sectigo.com"'], onlyOther],
    [wildcard, ['issue "sectigo.com"'], onlyOther],
    // An unknown tag forbids only when it is critical.
    [name, ['future "x"'], 'allowed'],
    [
      name,
      ['issue "letsencrypt.org"', '128 future "x"'],
      'forbidden: its critical tag future is unknown to CAs',
    ],
    [name, ['128 issuemail ";"', '128 contactemail "a@example.com"'], 'allowed'],
  ])('for %s under %j: %s', (identifier, records, verdict) => {
    expect(judge(identifier, records)).toBe(verdict)
  })

  test.each<[string, string]>([
    [`accounturi=${account}`, 'allowed'],
    [`accounturi = ${account}`, 'allowed'],
    [`AccountURI=${account}`, 'allowed'],
    [
      `accounturi=${account}8`,
      `forbidden: it lets only the account ${account}8 issue, and ours is ${account}`,
    ],
    [
      `accounturi=${account}; accounturi=${account}`,
      'forbidden: it names several accounts, which authorizes none',
    ],
    ['validationmethods=dns-01', 'allowed'],
    ['validationmethods=http-01,dns-01', 'allowed'],
    ['validationmethods=http-01', 'forbidden: it allows validation only by http-01, not by dns-01'],
    ['validationmethods=', 'forbidden: it allows validation by no method, not by dns-01'],
    [`accounturi=${account}; validationmethods=dns-01`, 'allowed'],
  ])('RFC 8657: with %s it is %s', (parameters, verdict) => {
    expect(judge(name, [`issue "letsencrypt.org; ${parameters}"`])).toBe(verdict)
    expect(judge(name, ['issue "sectigo.com"', `issue "letsencrypt.org; ${parameters}"`])).toBe(verdict)
  })

  test('an account that is not registered yet is none of those named', () => {
    expect(judge(name, [`issue "letsencrypt.org; accounturi=${account}"`], { account: undefined })).toBe(
      `forbidden: it lets only the account ${account} issue, and there is none here yet`,
    )
  })

  test.each<[readonly string[], string]>([
    [[], 'allowed'],
    [['issue "ca.example"'], 'unclear: the CA does not say which CAA identities are its own'],
    [['issue ";"'], 'forbidden: it lets nobody issue'],
    [
      ['issue "ca.example; validationmethods=http-01"'],
      'forbidden: it allows validation only by http-01, not by dns-01',
    ],
  ])('of a CA without identities, under %j: %s', (records, verdict) => {
    expect(judge(name, records, { identities: [] })).toBe(verdict)
  })

  test('the record that locks issuance to an account lets it in and nobody else', () => {
    const lock = lockingRecord(issuer)
    expect(showCaa('hachyderm.io', lock)).toBe(
      `hachyderm.io. IN CAA 0 issue "letsencrypt.org; accounturi=${account}; validationmethods=dns-01"`,
    )
    const line = `issue "${lock.value}"`
    for (const identifier of [name, wildcard]) {
      expect(judge(identifier, [line])).toBe('allowed')
      expect(judge(identifier, [line], { account: `${account}8` })).toContain('forbidden')
      expect(judge(identifier, [line], { identities: ['sectigo.com'] })).toContain('forbidden')
    }
  })
})

describe('a CAA record that forbids', () => {
  const cure = (lines: readonly string[], by: object = {}) => {
    const found = { owner: 'hachyderm.io', records: lines.map(record) }
    const look = { identifier: name, found, issuer: { ...issuer, ...by }, zone: 'hachyderm.io' }
    const finding = findCaaObstacle(look)
    return 'facts' in finding ? [finding.kind, finding.facts.message, ...finding.facts.hints] : finding
  }

  test('is quoted with its zone, and the record to set', () => {
    expect(cure(['issue "sectigo.com"'])).toEqual([
      'refusal',
      'CAA forbids media.hachyderm.io: hachyderm.io. IN CAA 0 issue "sectigo.com": it lets only sectigo.com issue, and this CA is letsencrypt.org',
      'add in the zone hachyderm.io: hachyderm.io. IN CAA 0 issue "letsencrypt.org"',
    ])
    expect(cure(['issue "letsencrypt.org; accounturi=https://ca.example/acct/8"'])).toContain(
      `set in the zone hachyderm.io: hachyderm.io. IN CAA 0 issue "letsencrypt.org; accounturi=${account}; validationmethods=dns-01"`,
    )
    expect(cure(['128 future "x"'])).toContain(
      'take it out of the zone hachyderm.io, or clear its critical flag',
    )
  })

  test('warns only, where the CA does not say who it is', () => {
    expect(cure(['issue "ca.example"'], { identities: [] })).toEqual([
      'warning',
      'CAA of media.hachyderm.io can not be judged: hachyderm.io. IN CAA 0 issue "ca.example": the CA does not say which CAA identities are its own',
    ])
  })

  test('says what allows', () => {
    expect(cure([])).toEqual({ kind: 'allowed', said: 'no CAA record restricts it' })
    expect(cure(['issue "letsencrypt.org"'])).toEqual({
      kind: 'allowed',
      said: 'hachyderm.io. IN CAA 0 issue "letsencrypt.org"',
    })
  })
})

describe('CAA on the wire', () => {
  test('is read with its flag, its tag in lower case and its value as it is', () => {
    const data = Buffer.concat([Buffer.of(128, 5), Buffer.from('IsSueca.example; x="\\')])
    expect(readCaa(data)).toEqual({ critical: true, tag: 'issue', value: 'ca.example; x="\\' })
    expect(readCaa(Buffer.concat([Buffer.of(1, 5), Buffer.from('issue')]))).toEqual({
      critical: false,
      tag: 'issue',
      value: '',
    })
  })

  test.each(['', '00', '0005', '0005697373', '000069737375', '00032e2e2e'])(
    'malformed data %s is no record',
    (hex) => {
      expect(readCaa(Buffer.from(hex, 'hex'))).toBeUndefined()
    },
  )

  test('no value brings its reader down, or a control character to a terminal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (value) => {
        const found = readCaa(Buffer.concat([Buffer.of(0, 5), Buffer.from('issue'), value]))!
        expect(showCaa('a.example', found)).toMatch(/^[ -~]*$/)
        const set = { owner: 'a.example', records: [found] }
        const look = { identifier: 'a.example', found: set, issuer, zone: 'example' }
        expect(JSON.stringify(findCaaObstacle(look))).toMatch(/^[ -~]*$/)
      }),
      { numRuns: 2000 },
    )
  })
})
