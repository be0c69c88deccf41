import { createServer, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ConfigError, ProviderError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { rfc2136 } from '../../providers/rfc2136.ts'
import type { TsigKey } from '../../providers/tsig.ts'
import { describesProvider } from '../contracts/provider.ts'
import { namedMissing, startNamed, type Named, type TsigKey as LabKey } from '../lab/named.ts'

const missing = await namedMissing()
if (missing) console.warn(`rfc2136: skipped: ${missing}`)

const zone = 'hachyderm.io'
const signal = new AbortController().signal
const record = { zone, name: `_acme-challenge.media.${zone}`, value: 'a-value-of-ours' }
const secretOf = (length: number): string => Buffer.alloc(length, 7).toString('base64')

describe.skipIf(missing)('rfc2136 on bind9', () => {
  let named: Named
  const keys: LabKey[] = [
    { name: 'acme-384', algorithm: 'hmac-sha384', secret: secretOf(48) },
    { name: 'acme-512', algorithm: 'hmac-sha512', secret: secretOf(64) },
  ]
  const keyOf = ({ name, algorithm, secret }: LabKey): TsigKey => ({
    name,
    algorithm,
    secret: new Secret(secret),
  })
  const failing = (tsig: Partial<TsigKey>, now?: () => number): Promise<unknown> =>
    rfc2136({ server: named.address, tsig: { ...keyOf(named.tsig), ...tsig } }, now)
      .create(record, signal)
      .then(
        () => undefined,
        (error: unknown) => error,
      )

  beforeAll(async () => {
    named = await startNamed({ zones: { [zone]: {}, 'nivenly.org': { frozen: true } }, keys })
  })
  afterAll(() => named?.[Symbol.asyncDispose]())

  describesProvider(() => ({
    provider: rfc2136({ server: named.address, tsig: keyOf(named.tsig) }),
    zone,
    foreignZone: 'example.org',
    values: (name) => named.txt(name),
    addForeign: (name, value) => named.update(`update add ${name} 60 TXT "${value}"`),
  }))

  test.each(keys)('signs and verifies with $algorithm', async (key) => {
    const provider = rfc2136({ server: `${named.address}:53`, tsig: keyOf(key) })
    const mine = { ...record, name: `_acme-challenge.${key.name}.${zone}` }
    await provider.create(mine, signal)
    expect(await named.txt(mine.name)).toEqual([mine.value])
  })

  test('changes nothing in the zone but the record', async () => {
    const before = await named.dump(zone)
    const provider = rfc2136({ server: named.address, tsig: keyOf(named.tsig) })
    await provider.create(record, signal)
    const during = await named.dump(zone)
    expect(during.filter((line) => !before.includes(line))).toEqual([
      `${record.name}. 60 IN TXT "${record.value}"`,
    ])
    await provider.remove(record, signal)
    expect(await named.dump(zone)).toEqual(before)
  })

  test('takes a name and value of the longest length', async () => {
    const provider = rfc2136({ server: named.address, tsig: keyOf(named.tsig) })
    const label = 'x'.repeat(63)
    const long = {
      zone,
      name: `${label}.${label}.${label}.${'y'.repeat(48)}.${zone}`,
      value: 'v'.repeat(600),
    }
    expect(long.name).toHaveLength(253)
    await provider.create(long, signal)
    expect(await named.txt(long.name)).toEqual([long.value])
    await provider.remove(long, signal)
    const tooLong = { ...long, name: `z${long.name}` }
    await expect(provider.create(tooLong, signal)).rejects.toThrow('no DNS name')
  })

  test('names the key that the server does not have', async () => {
    expect(await failing({ name: 'nobody' })).toMatchObject({
      message: expect.stringMatching(
        /^adding TXT _acme-challenge\.media\.hachyderm\.io at 127\.77\.[\d.]+ failed: the server has no TSIG key nobody \(hmac-sha256\): BADKEY$/,
      ),
      hints: ['compare tsig.name and tsig.algorithm with the key statement in named.conf'],
    })
  })

  test('says that the secret differs, without showing one', async () => {
    const error = await failing({ secret: new Secret(secretOf(32)) })
    expect(error).toBeInstanceOf(ProviderError)
    expect(String(error)).toContain('another secret for the TSIG key certs-lab (hmac-sha256): BADSIG')
    expect(JSON.stringify(error)).not.toContain(secretOf(32))
  })

  test.each([-3600, 3600])('says both times when the clocks differ by %d s', async (seconds) => {
    const error = await failing({}, () => Date.now() + seconds * 1000)
    expect(String(error)).toMatch(/the clocks differ: 20\S+Z here, 20\S+Z there: BADTIME$/)
  })

  test('says at the first look that the key is wrong, before any record is written', async () => {
    const tsig = { ...keyOf(named.tsig), secret: new Secret(secretOf(32)) }
    const provider = rfc2136({ server: named.address, tsig })
    await expect(provider.holdsZone(zone, signal)).rejects.toThrow(`asking for the zone ${zone} at`)
  })

  test('says which grant is missing when the zone refuses updates', async () => {
    const provider = rfc2136({ server: named.address, tsig: keyOf(named.tsig) })
    const refused = { zone: 'nivenly.org', name: '_acme-challenge.nivenly.org', value: 'x' }
    await expect(provider.create(refused, signal)).rejects.toMatchObject({
      message: expect.stringContaining('failed: REFUSED'),
      hints: [expect.stringContaining('update-policy { grant certs-lab zonesub TXT; };')],
    })
  })

  test.each([
    ['example.org', '_acme-challenge.example.org', 'NOTAUTH'],
    [zone, '_acme-challenge.example.org', 'NOTZONE'],
  ])('tells zone %s with name %s as %s', async (other, name, rcode) => {
    const provider = rfc2136({ server: named.address, tsig: keyOf(named.tsig) })
    await expect(provider.create({ zone: other, name, value: 'x' }, signal)).rejects.toThrow(
      `failed: ${rcode}`,
    )
  })
})

describe('rfc2136 against a server that misbehaves', () => {
  const tsig: TsigKey = { name: 'acme', algorithm: 'hmac-sha256', secret: new Secret(secretOf(32)) }
  let server: Server | undefined
  afterAll(() => server?.close())

  /** Answers each connection by `answer` of the request. */
  async function listen(answer: (request: Buffer) => Buffer | 'hang' | undefined): Promise<string> {
    server?.close()
    server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', (data) => {
        const message = answer(Buffer.from(data.subarray(2)))
        if (message === 'hang') return undefined
        if (!message) return socket.destroy()
        const length = Buffer.alloc(2)
        length.writeUInt16BE(message.length)
        return socket.end(Buffer.concat([length, message]))
      })
    })
    await new Promise<void>((resolve) => void server?.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    return `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  }
  const asAnswer = (request: Buffer): Buffer => {
    request.writeUInt16BE(request.readUInt16BE(2) | 0x8000, 2)
    return request
  }
  const create = async (address: string): Promise<void> =>
    rfc2136({ server: address, tsig }).create(record, signal)

  test('does not believe an answer that is not signed', async () => {
    const address = await listen((request) => {
      const unsigned = asAnswer(request).subarray(0, 12)
      unsigned.fill(0, 4)
      return unsigned
    })
    await expect(create(address)).rejects.toThrow('NOERROR, and the answer is not signed')
  })

  test('does not believe our own signature played back', async () => {
    await expect(create(await listen(asAnswer))).rejects.toThrow("the answer's signature is not made with")
  })

  test('tries again when the connection is cut, and says so in the end', { timeout: 15_000 }, async () => {
    let calls = 0
    const address = await listen(() => {
      calls++
      return undefined
    })
    await expect(create(address)).rejects.toThrow(/failed: the connection was closed without an answer/)
    expect(calls).toBe(3)
  })

  test('stops waiting when the signal aborts', async () => {
    const address = await listen(() => 'hang')
    const provider = rfc2136({ server: address, tsig })
    const begun = performance.now()
    await expect(provider.create(record, AbortSignal.timeout(100))).rejects.toThrow(/timeout/)
    expect(performance.now() - begun).toBeLessThan(2000)
  })

  test('two hundred records at once open twenty connections, and none of them waits unanswered in a backlog', async () => {
    let asked = 0
    const address = await listen(() => {
      asked++
      return 'hang'
    })
    const provider = rfc2136({ server: address, tsig })
    const stopping = new AbortController()
    const updates = Array.from({ length: 200 }, () => provider.create(record, stopping.signal))
    await vi.waitFor(() => expect(asked).toBe(20))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(asked).toBe(20)
    stopping.abort()
    const ends = await Promise.allSettled(updates)
    expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(['rejected']))
    expect(asked).toBe(20)
  })

  test('names the server whose answer is garbage', { timeout: 15_000 }, async () => {
    const address = await listen((request) => Buffer.concat([request.subarray(0, 12), Buffer.alloc(9, 0xff)]))
    await expect(create(address)).rejects.toThrow(`at ${address} failed: malformed DNS message of 21 bytes`)
  })

  test('refuses a secret that is no base64 of a key', () => {
    const make = () => rfc2136({ server: '192.0.2.1', tsig: { ...tsig, secret: new Secret('short') } })
    expect(make).toThrow(ConfigError)
  })
})
