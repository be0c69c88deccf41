import { createHmac, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  fingerprint,
  hostKeyAlgorithms,
  hostKeyType,
  judge,
  parseKnownHosts,
  trustLine,
} from '../../deploy/known-hosts.ts'

const key = (type: string, content: string) => {
  const [name, body] = [Buffer.from(type), Buffer.from(content)]
  const length = (bytes: Buffer) => Buffer.from([0, 0, 0, bytes.length])
  return Buffer.concat([length(name), name, length(body), body])
}
const ed = key('ssh-ed25519', 'the node')
const otherEd = key('ssh-ed25519', 'somebody else')
const rsa = key('ssh-rsa', 'the node')
const line = (hosts: string, given = ed) => `${hosts} ${hostKeyType(given)} ${given.toString('base64')}`
const hashed = (name: string) => {
  const salt = randomBytes(20)
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`
}
const at = (address: string, port = 22) => ({ address, port })

describe('known_hosts', () => {
  test.each([
    ['the address', line('203.0.113.11'), at('203.0.113.11')],
    ['one of several', line('sally,203.0.113.11'), at('203.0.113.11')],
    ['whatever case', line('Sally.Example'), at('SALLY.example')],
    ['address and port', line('[203.0.113.11]:2222'), at('203.0.113.11', 2222)],
    ['an IPv6 address', line('2001:db8::1'), at('2001:db8::1')],
    ['an IPv6 address and port', line('[2001:db8::1]:2222'), at('2001:db8::1', 2222)],
    ['a hashed name', line(hashed('203.0.113.11')), at('203.0.113.11')],
    ['a hashed name and port', line(hashed('[203.0.113.11]:2222')), at('203.0.113.11', 2222)],
    ['a wildcard', line('*.example.org'), at('cdn-1.example.org')],
    ['single-character wildcards', line('cdn-?.ex*le.org'), at('cdn-1.example.org')],
    ['with a comment behind', `${line('sally')} root@sally 2026`, at('sally')],
    [
      'after comments, blank and malformed lines',
      `# x\n\nsally\nsally ssh-ed25519 !!\n${line('sally')}`,
      at('sally'),
    ],
    ['with tabs and Windows line ends', line('sally').replaceAll(' ', '\t') + '\r\n', at('sally')],
    ['one of two keys', `${line('sally', otherEd)}\n${line('sally')}`, at('sally')],
  ])('knows a node by %s', (_, text, host) => {
    expect(judge(parseKnownHosts(text), host, ed)).toEqual({ kind: 'known' })
  })

  test.each([
    ['another address', line('203.0.113.12'), at('203.0.113.11')],
    ['another port', line('[203.0.113.11]:2222'), at('203.0.113.11', 2223)],
    ['port 22 instead of another', line('203.0.113.11'), at('203.0.113.11', 2222)],
    ['a negated pattern before', line('!cdn-1.example.org,*.example.org'), at('cdn-1.example.org')],
    ['a negated pattern behind', line('*.example.org,!cdn-1.*'), at('cdn-1.example.org')],
    ['only a negated pattern', line('!other'), at('sally')],
    ['a suffix of a pattern', line('*.example.org'), at('example.org')],
    ['a hash of something else', line(hashed('sally')), at('sallyx')],
    ['a hash of an unknown kind', line(hashed('sally').replace('|1|', '|2|')), at('sally')],
    ['a line of an unknown marker', `@future ${line('sally')}`, at('sally')],
    ['a type that is not the key’s', `sally ssh-rsa ${ed.toString('base64')}`, at('sally')],
    ['a key of another type', line('sally', rsa), at('sally')],
    ['no line', '', at('sally')],
  ])('does not know a node by %s', (_, text, host) => {
    expect(judge(parseKnownHosts(text), host, ed)).toEqual({ kind: 'unknown' })
  })

  test('tells a changed key, and where the known one stands', () => {
    const entries = parseKnownHosts(`# mine\n${line('sally', otherEd)}\n`)
    expect(judge(entries, at('sally'), ed)).toEqual({
      kind: 'changed',
      fingerprint: fingerprint(otherEd),
      line: 2,
    })
  })

  test('refuses a revoked key, known or not, for one node or for all', () => {
    const entries = parseKnownHosts(`${line('sally')}\n@revoked ${line('*')}\n`)
    expect(judge(entries, at('sally'), ed)).toEqual({ kind: 'revoked', line: 2 })
    expect(judge(entries, at('fritz'), ed)).toEqual({ kind: 'revoked', line: 2 })
    expect(judge(entries, at('fritz'), otherEd)).toEqual({ kind: 'unknown' })
  })

  test('never takes the key of a certificate authority for the key of a node', () => {
    const entries = parseKnownHosts(`@cert-authority ${line('*.example.org')}`)
    expect(judge(entries, at('a.example.org'), ed)).toEqual({ kind: 'cert-authority', line: 1 })
    expect(
      judge(parseKnownHosts(`@cert-authority ${line('sally')}\n${line('sally')}`), at('sally'), ed),
    ).toEqual({
      kind: 'known',
    })
  })

  test.each([
    Buffer.alloc(0),
    Buffer.from([0, 0, 0, 200]),
    Buffer.from([255, 255, 255, 255, 1]),
    Buffer.alloc(4),
  ])('knows no node by what is no key: %s', (nothing) => {
    expect(judge(parseKnownHosts(line('sally')), at('sally'), nothing)).toEqual({ kind: 'unknown' })
  })

  test('asks for the types that are known, and never for SHA-1', () => {
    expect(hostKeyAlgorithms(parseKnownHosts(line('sally', rsa)), at('sally'))).toEqual([
      'rsa-sha2-512',
      'rsa-sha2-256',
    ])
    expect(
      hostKeyAlgorithms(parseKnownHosts(`${line('sally', rsa)}\n${line('sally')}`), at('sally')),
    ).toEqual(['ssh-ed25519', 'rsa-sha2-512', 'rsa-sha2-256'])
    const all = hostKeyAlgorithms(parseKnownHosts(`@revoked ${line('*', rsa)}`), at('sally'))
    expect(all).toHaveLength(6)
    expect(all).not.toContain('ssh-rsa')
  })

  test('writes a line that it knows again', () => {
    for (const host of [at('Sally'), at('2001:db8::1', 2222)]) {
      expect(judge(parseKnownHosts(trustLine(host, ed)), host, ed)).toEqual({ kind: 'known' })
    }
  })

  test('takes no longer for a hostile pattern', () => {
    const started = performance.now()
    judge(parseKnownHosts(line(`${'*a'.repeat(200)}b`)), at('a'.repeat(250)), ed)
    expect(performance.now() - started).toBeLessThan(100)
  })
})
