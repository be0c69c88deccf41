import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { encodeName, encodeRecord, txtData } from '../../src/core/dns-encoding.ts'
import { decodeMessage } from '../../src/core/dns-message.ts'
import { ProviderError } from '../../src/core/errors.ts'
import { createSolver } from '../../src/dns/solve.ts'
import type { PlacedRecord, WaitOptions } from '../../src/dns/solver.ts'
import { namedMissing, startNamed, type Named } from '../lab/named.ts'
import { answerTo, authoritativeAnswer, startScriptedDns } from '../support/scripted-dns.ts'

const missing = await namedMissing()
if (missing) console.warn(`propagation: skipped: ${missing}`)

const { signal } = new AbortController()
/** Of this run, so that two runs at once do not share it. */
const address6 = `fd77::${process.pid.toString(16)}`

function recordOf(zone: string, value: string, name = `_acme-challenge.${zone}`): PlacedRecord {
  return { zone, name, value, provider: 'home' }
}

describe.skipIf(missing)('waiting until a record is seen', () => {
  const opened: Named[] = []
  const open = async (options: Parameters<typeof startNamed>[0]): Promise<Named> => {
    const named = await startNamed(options)
    opened.push(named)
    return named
  }
  let primary: Named
  let follower: Named
  /** Zones with a name server beside the primary: one that lags, is gone, or does not know the zone. */
  let root: Named

  /** Each progress as `seen/servers`, and what came out. */
  async function wait(records: PlacedRecord[], options: Partial<WaitOptions> = {}) {
    const solver = createSolver({ providers: {}, preferred: 'home', resolvers: [root.address] })
    const progress: string[] = []
    const onProgress = (seen: number, servers: number): void => void progress.push(`${seen}/${servers}`)
    const begun = performance.now()
    const error = await solver
      .waitUntilSeen(records, { signal, deadlineMs: 10_000, onProgress, ...options })
      .then(
        () => undefined,
        (reason: unknown) => reason,
      )
    return { error, progress, elapsedMs: performance.now() - begun }
  }

  beforeAll(async () => {
    primary = await open({
      address6,
      zones: {
        'alone.example': {},
        'lagging.example': {},
        'dead.example': {},
        'lame.example': {},
        'six.example': {},
        'silent-six.example': {},
      },
    })
    follower = await open({
      zonesOnly: true,
      zones: { 'lagging.example': { secondary: { address: primary.address, refreshSeconds: 2 } } },
    })
    const at = (second: string) => ({ nameServers: { 'ns1.lab': primary.address, 'ns2.lab': second } })
    root = await open({
      zones: {
        lab: {
          nameServers: { 'ns.lab': '127.0.0.1' },
          records: `ns1 A ${primary.address}
            ns2 A ${follower.address}
            dead A 127.77.0.1
            six AAAA ${address6}
            silent A ${primary.address}
            silent AAAA fd77::dead`,
        },
        'alone.example': { nameServers: { 'ns1.lab': primary.address } },
        'lagging.example': at(follower.address),
        'lame.example': at(follower.address),
        'dead.example': { nameServers: { 'ns1.lab': primary.address, 'dead.lab': '127.77.0.1' } },
        'six.example': { nameServers: { 'ns1.lab': primary.address, 'six.lab': address6 } },
        'silent-six.example': { nameServers: { 'silent.lab': [primary.address, 'fd77::dead'] } },
      },
    })
  })
  afterAll(async () => {
    for (const named of opened) await named[Symbol.asyncDispose]()
  })
  afterEach(() => follower.thaw())

  const add = ({ name, value }: PlacedRecord): Promise<void> =>
    primary.update(`update add ${name} 60 TXT "${value}"`)

  test('ends at once when it is there already, and counts the servers', async () => {
    const record = recordOf('alone.example', 'there')
    await add(record)
    const { error, progress, elapsedMs } = await wait([record])
    expect(error).toBeUndefined()
    expect(progress).toEqual(['0/1', '1/1'])
    expect(elapsedMs).toBeLessThan(500)
  })

  test('sees a record soon after it comes', async () => {
    const record = recordOf('alone.example', 'comes-late')
    const waiting = wait([record])
    await new Promise((resolve) => setTimeout(resolve, 300))
    await add(record)
    const added = performance.now()
    expect((await waiting).error).toBeUndefined()
    expect(performance.now() - added).toBeLessThan(600)
  })

  test('waits for both values at one name, and for each name of each zone', async () => {
    const apex = recordOf('alone.example', 'apex')
    const wildcard = recordOf('alone.example', 'wildcard')
    const other = recordOf('six.example', 'other')
    await add(apex)
    await add(other)
    const early = await wait([apex, wildcard, other], { deadlineMs: 300 })
    expect(early.error).toMatchObject({ detail: expect.stringContaining('missing "wildcard"') })
    expect(early.progress).toEqual(['0/3', '1/3', '2/3'])
    await add(wildcard)
    expect((await wait([apex, wildcard, other])).error).toBeUndefined()
  })

  test('reads 40 values, more than a UDP answer holds', async () => {
    const name = '_acme-challenge.many.alone.example'
    const values = Array.from({ length: 40 }, (_, n) => `${n}`.padStart(43, 'v'))
    await primary.update(...values.map((value) => `update add ${name} 60 TXT "${value}"`))
    const { error, elapsedMs } = await wait([recordOf('alone.example', values[39] ?? '', name)])
    expect(error).toBeUndefined()
    expect(elapsedMs).toBeLessThan(1000)
  })

  test('waits for a secondary that lags behind its primary', async () => {
    const record = recordOf('lagging.example', 'lags')
    await add(record)
    const { error, progress } = await wait([record])
    expect(error).toBeUndefined()
    expect(progress).toEqual(['0/2', '1/2', '2/2'])
    expect(await follower.txt(record.name)).toContain('lags')
  })

  test('names the server that lags, what it says instead and how to look', async () => {
    const record = recordOf('lagging.example', 'never-seen')
    const foreign = recordOf('lagging.example', 'foreign')
    await add(foreign)
    await wait([foreign])
    await add(record)
    const { error } = await wait([record], { deadlineMs: 400 })
    expect(error).toBeInstanceOf(ProviderError)
    expect(error).toMatchObject({
      message: `TXT _acme-challenge.lagging.example is not seen everywhere after 0.4 s: lagging ns2.lab (${follower.address})`,
      detail: expect.stringMatching(/^ns2\.lab \(\S+\): says \d TXT records, .*; missing "never-seen"$/),
      hints: [
        `look for yourself: dig +norecurse @${follower.address} _acme-challenge.lagging.example TXT`,
        expect.stringContaining('written through home'),
      ],
    })
  })

  test.each([
    [
      'dead.example',
      /^dead\.lab \(127\.77\.0\.1\): asking 127\.77\.0\.1 for TXT of \S+ failed: recvmsg ECONNREFUSED$/,
    ],
    ['lame.example', /^ns2\.lab \(127\.77\.[\d.]+\): answers REFUSED$/],
  ])('names the server of %s that will never say it', async (zone, detail) => {
    const record = recordOf(zone, 'x')
    await add(record)
    const { error, progress } = await wait([record], { deadlineMs: 500 })
    expect(progress).toEqual(['0/2', '1/2'])
    expect(error).toMatchObject({ detail: expect.stringMatching(detail) })
  })

  test('names a server that has stopped answering, at the deadline and not later', async () => {
    const record = recordOf('lagging.example', 'frozen')
    follower.freeze()
    await add(record)
    const { error, elapsedMs } = await wait([record], { deadlineMs: 2500 })
    expect(error).toMatchObject({ detail: expect.stringContaining('no answer within 2000 ms') })
    expect(elapsedMs).toBeGreaterThan(2490)
    expect(elapsedMs).toBeLessThan(3200)
  })

  test('asks IPv6 addresses, too', async () => {
    const record = recordOf('six.example', 'six')
    await add(record)
    expect((await wait([record])).progress).toEqual(['0/2', '1/2', '2/2'])
  })

  test("does not hang on a server's IPv6 address that never answers when its IPv4 address does", async () => {
    const record = recordOf('silent-six.example', 'x')
    await add(record)
    expect(await wait([record])).toMatchObject({ error: undefined })
  })

  test('stops when the signal aborts, with its reason', async () => {
    const reason = new Error('stopped by Ctrl-C')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 100)
    const { error, elapsedMs } = await wait([recordOf('alone.example', 'never')], {
      signal: controller.signal,
    })
    expect(error).toBe(reason)
    expect(elapsedMs).toBeLessThan(1000)
  })

  test('says so when a zone has no name servers to ask', async () => {
    const { error } = await wait([recordOf('nothing.example', 'x')])
    expect(error).toMatchObject({
      message: 'no name server of nothing.example has an address to ask: no NS records',
    })
  })
})

describe('a server that says the value', () => {
  const record = recordOf('scripted.example', 'value')
  const rdata = {
    A: Buffer.from([127, 0, 0, 1]),
    NS: encodeName('ns.scripted.example'),
    TXT: txtData('value'),
  }

  /** One server that is resolver and name server; its TXT answers have these flags. */
  async function waitFor(flags: number, deadlineMs: number): Promise<unknown> {
    await using server = await startScriptedDns((request) => {
      const question = decodeMessage(request).questions[0]
      const type = question?.type
      if (type !== 'A' && type !== 'NS' && type !== 'TXT') return [answerTo(request, 0)]
      const answer = encodeRecord({ name: question?.name ?? '', type, class: 1, ttl: 60, data: rdata[type] })
      return [answerTo(request, type === 'TXT' ? flags : 0, [answer])]
    })
    const options = { resolvers: [server.server], authoritativePort: server.port }
    const solver = createSolver({ providers: {}, preferred: 'home', ...options })
    return await solver.waitUntilSeen([record], { signal, deadlineMs, onProgress: () => undefined })
  }

  test('counts when it says it with authority', async () => {
    await expect(waitFor(authoritativeAnswer, 2000)).resolves.toBeUndefined()
  })

  test('does not count when it only repeats it', async () => {
    await expect(waitFor(0, 300)).rejects.toMatchObject({
      message: expect.stringMatching(/: lagging ns\.scripted\.example \(127\.0\.0\.1:\d+\)$/),
      detail: expect.stringContaining('answers, but not with authority (lame)'),
    })
  })
})
