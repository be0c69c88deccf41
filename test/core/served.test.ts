import { describe, expect, test } from 'vitest'
import type { Served } from '../../src/core/node.ts'
import { judgeServed } from '../../src/core/served.ts'

const served: Served = {
  endpoint: { address: '203.0.113.11', port: 443, via: 'direct' },
  name: 'media.example.org',
  leaf: {
    fingerprint: 'aa',
    serial: '03AB',
    names: ['media.example.org'],
    issuer: 'E1',
    notBefore: '2026-09-01T00:00:00.000Z',
    notAfter: '2026-11-30T00:00:00.000Z',
    keyType: 'ecdsa-p256',
    spki: 'bb',
  },
  chain: ['c1', 'c2'],
}
const wanted = { leafFingerprint: 'aa', chainFingerprints: ['c1', 'c2'] }
const six = { address: '2001:db8::1', port: 8443, via: 'ssh' } as const

describe('what is served, judged', () => {
  test('is right when leaf and chain are the wanted ones', () => {
    expect(judgeServed(served, wanted)).toBeUndefined()
  })

  test.each<[string, Served, string]>([
    [
      'another leaf',
      { ...served, leaf: { ...served.leaf!, fingerprint: 'other' } },
      '203.0.113.11:443 for media.example.org serves the certificate with serial 03AB, valid until 2026-11-30 00:00 UTC, not the wanted one',
    ],
    [
      'a leaf for other names',
      { ...served, leaf: { ...served.leaf!, fingerprint: 'other', names: ['a.example', 'b.example'] } },
      '203.0.113.11:443 for media.example.org serves the certificate with serial 03AB, valid until 2026-11-30 00:00 UTC, for a.example b.example, not the wanted one',
    ],
    [
      'no intermediate',
      { ...served, chain: ['c1'] },
      '203.0.113.11:443 for media.example.org serves the wanted leaf, but the chain lacks the intermediate',
    ],
    [
      'no chain at all',
      { ...served, chain: [] },
      '203.0.113.11:443 for media.example.org serves the wanted leaf, but the chain lacks 2 intermediates',
    ],
    [
      'another chain',
      { ...served, chain: ['c1', 'x'] },
      '203.0.113.11:443 for media.example.org serves the wanted leaf, but another chain',
    ],
    [
      'a root too',
      { ...served, chain: ['c1', 'c2', 'root'] },
      '203.0.113.11:443 for media.example.org serves the wanted leaf, but another chain',
    ],
    [
      'nothing',
      { endpoint: six, name: 'x.example', error: 'connection refused' },
      'no certificate from [2001:db8::1]:8443 by ssh for x.example: connection refused',
    ],
  ])('says so of %s', (_, given, expected) => {
    expect(judgeServed(given, wanted)).toBe(expected)
  })
})
