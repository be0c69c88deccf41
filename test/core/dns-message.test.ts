import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeMessage, encodeName, encodeRecord, txtData } from '../../src/core/dns-encoding.ts'
import { decodeMessage, type DnsMessage, type RecordType } from '../../src/core/dns-message.ts'
import { parseNameServer, showNameServer } from '../../src/core/name-server.ts'

const thorough = process.env['CERTS_FAULTS'] === 'all'
const runs = thorough ? 100_000 : 3000

const label = fc.stringMatching(/^[a-z0-9_*-]{1,20}$/)
const dnsName = fc.array(label, { minLength: 1, maxLength: 8 }).map((labels) => labels.join('.'))

/** A message with `count` answers at `body`. */
function answersOf(count: number, body: Buffer): Buffer {
  const head = Buffer.from('0001840000000000000000000', 'hex')
  head.writeUInt16BE(count, 6)
  return Buffer.concat([head.subarray(0, 12), body])
}

/** The message, or the error that decoding ended with. Anything else than an Error fails the test. */
function outcome(bytes: Uint8Array): DnsMessage | Error {
  try {
    return decodeMessage(bytes)
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('malformed DNS message of ')) return error
    throw error
  }
}

describe('a DNS message', () => {
  test('is read as it was written', () => {
    const types = fc.constantFrom('A', 'NS', 'SOA', 'CNAME', 'TXT', 'AAAA', 'CAA')
    const written = fc.record({
      id: fc.nat(0xffff),
      name: dnsName,
      type: types,
      recursionDesired: fc.boolean(),
    })
    fc.assert(
      fc.property(written, ({ id, name, type, recursionDesired }) => {
        const bytes = encodeMessage({ id, question: { name, type }, recursionDesired, udpPayloadSize: 1232 })
        expect(decodeMessage(bytes)).toMatchObject({ id, response: false, questions: [{ name, type }] })
        expect((bytes.readUInt16BE(2) & 0x100) !== 0).toBe(recursionDesired)
      }),
      { numRuns: 300 },
    )
  })

  test('keeps TXT values of any length and text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 700 }), (value) => {
        const record = { name: 'a.example', type: 'TXT', class: 1, ttl: 60, data: txtData(value) } as const
        const [read] = decodeMessage(answersOf(1, encodeRecord(record))).answers
        expect(read).toMatchObject({ name: 'a.example', type: 'TXT', text: value.toWellFormed(), ttl: 60 })
      }),
      { numRuns: 300 },
    )
  })

  test.each(['a..b', `${'a'.repeat(64)}.example`, Array(60).fill('abcd').join('.'), '.example'])(
    'is not written for the name %j',
    (name) => {
      expect(() => encodeName(name)).toThrow(/^no DNS name: /)
    },
  )

  test('reads A, AAAA, CNAME, NS and the zone of a SOA, and keeps other types as they are', () => {
    const cases: [RecordType, string, string][] = [
      ['A', 'c0000201', '192.0.2.1'],
      ['AAAA', '20010db8000000000000000000000053', '2001:db8::53'],
      ['CNAME', '03466f6fc00c', 'foo.a.example'],
      ['NS', 'c00c', 'a.example'],
      ['SOA', `c00cc00c${'00000001'.repeat(5)}`, 'a.example'],
      ['CAA', '000569737375656c', ''],
    ]
    for (const [type, data, text] of cases) {
      const record = encodeRecord({
        name: 'A.example',
        type,
        class: 1,
        ttl: 5,
        data: Buffer.from(data, 'hex'),
      })
      expect(decodeMessage(answersOf(1, record)).answers[0]).toMatchObject({ name: 'a.example', type, text })
    }
  })

  test('reads the extended rcode of EDNS', () => {
    const request = encodeMessage({ id: 1, question: { name: 'a', type: 'A' }, udpPayloadSize: 1232 })
    request.writeUInt8(1, request.length - 6)
    expect(decodeMessage(request).rcode).toBe('BADVERS')
  })

  test('of random bytes ends in a message or an error, never in anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => void outcome(bytes)),
      { numRuns: runs },
    )
  })

  test('that was changed, cut or stretched ends in a message or an error', () => {
    const record = (type: 'TXT' | 'CNAME', data: Uint8Array) =>
      encodeRecord({ name: 'host.example', type, class: 1, ttl: 60, data })
    const good = answersOf(
      3,
      Buffer.concat([
        record('TXT', txtData('x'.repeat(300))),
        record('CNAME', encodeName('b.c')),
        record('TXT', txtData('y')),
      ]),
    )
    const change = fc.record({ at: fc.nat(good.length - 1), to: fc.nat(255) })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), fc.nat(good.length + 20), (changes, length) => {
        const bytes = Buffer.alloc(length)
        good.copy(bytes)
        for (const { at, to } of changes) if (at < length) bytes[at] = to
        const read = outcome(bytes)
        if (!(read instanceof Error)) expect(read.answers.length).toBeLessThanOrEqual(0xffff)
      }),
      { numRuns: runs },
    )
  })

  test.each<[string, Buffer]>([
    ['whose name points to itself', answersOf(1, Buffer.from('c00c00010001000000000000', 'hex'))],
    ['whose names point to each other', answersOf(1, Buffer.from('c00ec00c00010001000000000000', 'hex'))],
    ['that claims 65535 records', answersOf(0xffff, Buffer.alloc(4))],
    ['whose name goes behind the end', answersOf(1, Buffer.from('3f61', 'hex'))],
    ['whose record goes behind the end', answersOf(1, Buffer.from('00001000010000000000ff', 'hex'))],
    [
      'whose TXT string is longer than its record',
      answersOf(1, Buffer.from('000010000100000000000205ff', 'hex')),
    ],
    ['whose address has three bytes', answersOf(1, Buffer.from('0000010001000000000003c00002', 'hex'))],
    ['whose name holds an escape sequence', answersOf(1, Buffer.from('021b5b00000100010000000000', 'hex'))],
    ['of nothing', Buffer.alloc(0)],
  ])('%s is refused', (_, bytes) => {
    expect(outcome(bytes)).toBeInstanceOf(Error)
  })

  test('made of 64 KB of pointers is read in bounded time', () => {
    const bytes = Buffer.alloc(65_535)
    bytes.writeUInt16BE(0x8400, 2)
    // A chain of pointers, each to the one before, as the first record's data; then records that walk all of it.
    const chain = 8000
    let at = 12
    at = bytes.writeUInt8(0, at)
    at = bytes.writeUInt16BE(10, at)
    at = bytes.writeUInt16BE(1, at) + 4
    at = bytes.writeUInt16BE(chain * 2, at)
    let target = 12
    for (let link = 0; link < chain; link++) {
      const here = at
      at = bytes.writeUInt16BE(0xc000 | target, at)
      target = here
    }
    let count = 1
    for (; at + 12 <= bytes.length; count++) {
      at = bytes.writeUInt16BE(0xc000 | target, at)
      at = bytes.writeUInt16BE(10, at)
      at = bytes.writeUInt16BE(1, at) + 6
    }
    bytes.writeUInt16BE(count, 6)
    const begun = performance.now()
    const read = outcome(bytes)
    expect(performance.now() - begun).toBeLessThan(5000)
    expect(read).toMatchObject({ answers: { length: count } })
  })
})

describe('a name server in the configuration', () => {
  test.each([
    ['192.0.2.53', '192.0.2.53', 53],
    ['192.0.2.53:5353', '192.0.2.53', 5353],
    ['2001:db8::53', '2001:db8::53', 53],
    ['[2001:db8::53]', '2001:db8::53', 53],
    ['[2001:db8::53]:5353', '2001:db8::53', 5353],
    ['ns1.example.com:54', 'ns1.example.com', 54],
  ])('%s is read', (text, address, port) => {
    expect(parseNameServer(text)).toEqual({ address, port })
    expect(parseNameServer(showNameServer({ address, port }))).toEqual({ address, port })
  })

  test.each(['', ':53', '192.0.2.53:0', '192.0.2.53:70000', '[::1', '[nonsense]:53', 'a b', 'host:port'])(
    '%j is refused',
    (text) => {
      expect(() => parseNameServer(text)).toThrow(`no name server: ${JSON.stringify(text)}`)
    },
  )
})
