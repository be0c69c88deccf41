import { afterEach, describe, expect, test } from 'vitest'
import { encodeRecord, txtData, uint16 } from '../../src/core/dns-encoding.ts'
import type { DnsMessage } from '../../src/core/dns-message.ts'
import { ProviderError } from '../../src/core/errors.ts'
import { query, type QueryOptions } from '../../src/dns/query.ts'
import { createResolver } from '../../src/dns/resolver.ts'
import {
  answerTo,
  authoritativeAnswer as authoritative,
  startScriptedDns,
  truncatedAnswer as truncated,
  type Script,
  type ScriptedDns,
} from '../support/scripted-dns.ts'

const { signal } = new AbortController()
const name = '_acme-challenge.hachyderm.io'
const servfail = 2

function txt(value: string): Buffer {
  return encodeRecord({ name, type: 'TXT', class: 1, ttl: 60, data: txtData(value) })
}

describe('a query', () => {
  const opened: ScriptedDns[] = []
  const start = async (script: Script): Promise<ScriptedDns> => {
    const server = await startScriptedDns(script)
    opened.push(server)
    return server
  }
  const ask = ({ port }: ScriptedDns, options: Partial<QueryOptions> = {}): Promise<DnsMessage> => {
    const question = { name, type: 'TXT', recursionDesired: false } as const
    return query({ address: '127.0.0.1', port }, question, { signal, ...options })
  }
  const valuesOf = ({ answers }: DnsMessage): string[] => answers.map((record) => record.text)

  afterEach(async () => {
    for (const server of opened.splice(0)) await server[Symbol.asyncDispose]()
  })

  test('does not ask for recursion, offers 1232 bytes, and reads the answer', async () => {
    const server = await start((request) => [answerTo(request, authoritative, [txt('value')])])
    const answer = await ask(server)
    expect(answer).toMatchObject({ authoritative: true, rcode: 'NOERROR' })
    expect(valuesOf(answer)).toEqual(['value'])
    const [request] = server.requests
    expect(request?.bytes.readUInt16BE(2)).toBe(0)
    expect(request?.bytes.subarray(-11).toString('hex')).toBe('00002904d0000000000000')
  })

  test('passes over forged and malformed datagrams, and takes the true one', async () => {
    const server = await start((request) => {
      const forged = answerTo(request, authoritative, [txt('forged')])
      forged.writeUInt16BE((request.readUInt16BE(0) + 1) & 0xffff, 0)
      const otherQuestion = answerTo(request, authoritative, [txt('forged')])
      otherQuestion[14] = (otherQuestion[14] ?? 0) ^ 0x01
      const noAnswer = Buffer.from(request)
      return [forged, otherQuestion, noAnswer, Buffer.from('garbage'), answerTo(request, 0, [txt('true')])]
    })
    expect(valuesOf(await ask(server))).toEqual(['true'])
  })

  test('takes an answer whose question is in other letters', async () => {
    const server = await start((request) => {
      request[14] = (request[14] ?? 0) & ~0x20
      return [answerTo(request, 0, [txt('value')])]
    })
    expect(valuesOf(await ask(server))).toEqual(['value'])
  })

  test('asks over TCP when the answer is truncated, and believes nothing of that one', async () => {
    const server = await start((request, by) => [
      by === 'udp' ? answerTo(request, truncated, [txt('half')]) : answerTo(request, 0, [txt('whole')]),
    ])
    expect(valuesOf(await ask(server))).toEqual(['whole'])
    expect(server.requests.map(({ by }) => by)).toEqual(['udp', 'tcp'])
  })

  test('reads 64 KB over TCP', async () => {
    const values = Array.from({ length: 240 }, (_, n) => `${n}`.padStart(220, '.'))
    const server = await start((request, by) => [
      by === 'udp' ? answerTo(request, truncated) : answerTo(request, 0, values.map(txt)),
    ])
    expect(valuesOf(await ask(server))).toEqual(values)
  })

  test('asks again when a datagram is lost', async () => {
    let asked = 0
    const server = await start((request) => (++asked < 3 ? [] : [answerTo(request, 0, [txt('third')])]))
    expect(valuesOf(await ask(server, { attempts: [50, 50, 500] }))).toEqual(['third'])
    const ids = server.requests.map(({ bytes }) => bytes.readUInt16BE(0))
    expect(new Set(ids).size).toBeGreaterThan(1)
  })

  test.each<[string, Script, RegExp]>([
    [
      'says nothing',
      () => [],
      /^asking 127\.0\.0\.1:\d+ for TXT of _acme-challenge\.hachyderm\.io failed: no answer within 60 ms$/,
    ],
    ['says garbage', () => [Buffer.alloc(40, 0xff)], /failed: malformed DNS message of 40 bytes: /],
    [
      'says too little',
      (request) => [request.subarray(0, 20)],
      /failed: malformed DNS message of 20 bytes: /,
    ],
    [
      'cuts the TCP connection',
      (request, by) => (by === 'tcp' ? 'cut' : [answerTo(request, truncated)]),
      /failed: (the connection was closed without an answer|read ECONNRESET)$/,
    ],
    [
      'points a name at itself',
      (request) => {
        const pointer = uint16(0xc000 | (request.indexOf(0, 12) + 5))
        return [answerTo(request, 0, [Buffer.concat([pointer, Buffer.from('00100001000000000000', 'hex')])])]
      },
      /failed: malformed DNS message/,
    ],
  ])('of a server that %s fails, naming it', async (_, script, message) => {
    const error = await ask(await start(script), { attempts: [30, 60] }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ProviderError)
    expect(String(error).replace('ProviderError: ', '')).toMatch(message)
  })

  test('stops when the signal aborts, with its reason', async () => {
    const reason = new Error('stopped by Ctrl-C')
    const controller = new AbortController()
    const server = await start(() => [])
    setTimeout(() => controller.abort(reason), 50)
    await expect(ask(server, { signal: controller.signal })).rejects.toBe(reason)
    await expect(ask(server, { signal: controller.signal })).rejects.toBe(reason)
  })

  describe('of a resolver', () => {
    test('asks the next one when one fails', async () => {
      const broken = await start((request) => [answerTo(request, servfail)])
      const good = await start((request) => [answerTo(request, 0, [txt('value')])])
      const resolver = createResolver([broken.server, '127.0.0.1:1', good.server])
      expect(await resolver.lookUp(name, 'TXT', signal)).toEqual(['value'])
      expect(good.requests[0]?.bytes.readUInt16BE(2)).toBe(0x100)
    })

    test('asks again after a passing SERVFAIL', async () => {
      let asked = 0
      const server = await start((request) => [
        answerTo(request, asked++ === 0 ? servfail : 0, [txt('value')]),
      ])
      expect(await createResolver([server.server]).lookUp(name, 'TXT', signal)).toEqual(['value'])
    })

    test('says what each answered when all fail, and how to try it', async () => {
      const server = await start((request) => [answerTo(request, servfail)])
      const lookUp = createResolver([server.server, '127.0.0.1:1']).lookUp(name, 'TXT', signal)
      await expect(lookUp).rejects.toMatchObject({
        message: `look-up of TXT ${name} failed: ${server.server} answered SERVFAIL; asking 127.0.0.1:1 for TXT of ${name} failed: recvmsg ECONNREFUSED`,
        hints: [`try it by hand: dig @127.0.0.1 -p ${server.port} ${name} TXT`],
      })
    })

    test('takes no record of another name or type for an answer', async () => {
      const other = encodeRecord({
        name: 'other.hachyderm.io',
        type: 'TXT',
        class: 1,
        ttl: 60,
        data: txtData('x'),
      })
      const cname = encodeRecord({ name, type: 'CNAME', class: 1, ttl: 60, data: Buffer.from([1, 97, 0]) })
      const server = await start((request) => [answerTo(request, 0, [cname, other, txt('mine')])])
      expect(await createResolver([server.server]).lookUp(name, 'TXT', signal)).toEqual(['mine'])
    })
  })
})
