import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ConfigError } from '../../src/core/errors.ts'
import { normalizeName } from '../../src/core/identifier.ts'

const label63 = 'a'.repeat(63)
const name237 = `${label63}.${label63}.${label63}.${'b'.repeat(45)}`

describe('a DNS name has one form', () => {
  test.for([
    ['media.hachyderm.io', 'media.hachyderm.io'],
    ['Media.Hachyderm.IO.', 'media.hachyderm.io'],
    ['*.Hachyderm.io', '*.hachyderm.io'],
    ['*.hachyderm.io.', '*.hachyderm.io'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['BÜCHER.example。', 'xn--bcher-kva.example'],
    ['*.bücher.example', '*.xn--bcher-kva.example'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['faß.de', 'xn--fa-hia.de'],
    ['ｅｘａｍｐｌｅ.com', 'example.com'],
    ['r3---sn.example.com', 'r3---sn.example.com'],
    ['1.2.3.example', '1.2.3.example'],
    [`${label63}.example`, `${label63}.example`],
    [name237, name237],
    ['localhost', 'localhost'],
  ] as const)('%s becomes %s', ([text, name]) => {
    expect(normalizeName(text)).toBe(name)
  })
})

describe('refuses, saying why', () => {
  test.for([
    ['', 'it is empty'],
    ['.', 'it is empty'],
    ['*.', 'it is empty'],
    ['a..b', 'it has an empty label'],
    ['.a.b', 'it has an empty label'],
    ['a.b..', 'it has an empty label'],
    ['*', 'a wildcard stands only for the whole first label'],
    ['a.*.b', 'a wildcard stands only for the whole first label'],
    ['a*.b', 'a wildcard stands only for the whole first label'],
    ['*.*.b', 'a wildcard stands only for the whole first label'],
    [`${label63}a.example`, 'longer than 63 bytes'],
    [`${name237}b`, 'leaves room for 237'],
    ['x'.repeat(100_000), 'longer than 253 bytes'],
    ['a_b.example', 'has other characters'],
    ['-a.example', 'has other characters'],
    ['a-.example', 'has other characters'],
    ['a b.example', 'it is not a bare name'],
    ['a\n.example', 'it is not a bare name'],
    ['$(id).example', 'has other characters'],
    ['../../etc', 'it is not a bare name'],
    ['https://example.com', 'it is not a bare name'],
    ['example.com:443', 'it is not a bare name'],
    ['user@example.com', 'it is not a bare name'],
    ['%41é.com', 'it is not a bare name'],
    ['192.0.2.1', 'it is an IP address or ends in a number'],
    ['1.2.3', 'it is an IP address or ends in a number'],
    ['é.1.2', 'no valid internationalized name'],
    ['a\u0000b.example', 'has other characters'],
    ['a\u202Eb.example', "can't use"],
  ] as const)('%j', ([text, cause]) => {
    expect(() => normalizeName(text)).toThrow(ConfigError)
    expect(() => normalizeName(text)).toThrow(cause)
  })
})

test('what comes out is stable, and safe in a path, a shell and a DNS message', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'grapheme', maxLength: 80 }), fc.domain()), (text) => {
      let name: string
      try {
        name = normalizeName(text)
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError)
        return
      }
      expect(normalizeName(name)).toBe(name)
      expect(name).toMatch(/^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*$/)
      expect(name.length).toBeLessThanOrEqual(239)
    }),
    { numRuns: 2_000 },
  )
})
