import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { encodeName, encodeRecord } from '../../src/core/dns-encoding.ts'
import { askNameServers } from '../../src/dns/name-server-health.ts'
import { createResolver } from '../../src/dns/resolver.ts'
import { answerTo, authoritativeAnswer, startScriptedDns } from '../support/scripted-dns.ts'
import { namedMissing, startNamed, type Named } from '../lab/named.ts'

const missing = await namedMissing()
if (missing) console.warn(`the health of name servers: skipped: ${missing}`)

const { signal } = new AbortController()

describe.skipIf(missing)('the name servers of a zone', () => {
  let primary: Named
  let other: Named
  let root: Named
  beforeAll(async () => {
    primary = await startNamed({
      zonesOnly: true,
      zones: { 'well.example': {}, 'ill.example': {}, 'slow.example': {} },
    })
    other = await startNamed({ zonesOnly: true, zones: { 'well.example': {}, 'slow.example': {} } })
    root = await startNamed({
      zones: {
        lab: {
          nameServers: { 'ns.lab': '127.0.0.1' },
          records: `ns1 A ${primary.address}
            ns2 A ${other.address}
            dead A 127.77.0.1
            lame A 127.0.0.1`,
        },
        'well.example': { nameServers: { 'ns1.lab': '', 'ns2.lab': '' } },
        'slow.example': { nameServers: { 'ns1.lab': '', 'ns2.lab': '' } },
        'ill.example': { nameServers: { 'ns1.lab': '', 'ns2.lab': '', 'dead.lab': '', 'gone.lab': '' } },
        'lame.example': { nameServers: { 'lame.lab': '' } },
        'none.example': { nameServers: { 'dead.lab': '' } },
      },
    })
  })
  afterAll(async () => {
    for (const named of [primary, other, root]) await named?.[Symbol.asyncDispose]()
  })
  afterEach(() => other.thaw())

  const ask = (zone: string) => askNameServers(zone, createResolver([root.address]), { signal })

  test('are all asked', async () => {
    expect(await ask('well.example')).toEqual({ answering: 2, ill: [] })
  })

  test('that do not know the zone, do not answer or have no address are named', async () => {
    const { answering, ill } = await ask('ill.example')
    expect(answering).toBe(1)
    expect(ill.toSorted()).toEqual([
      'dead.lab (127.77.0.1) does not answer',
      'gone.lab has no address that can be asked from here',
      `ns2.lab (${other.address}) answers REFUSED`,
    ])
  })

  test('that hang are named, in seconds', async () => {
    other.freeze()
    const begun = performance.now()
    expect(await ask('slow.example')).toEqual({
      answering: 1,
      ill: [`ns2.lab (${other.address}) does not answer`],
    })
    expect(performance.now() - begun).toBeLessThan(4000)
  })

  test('that only repeat what others say are lame', async () => {
    const names = Buffer.concat([encodeName('ns1.lab'), encodeName('hostmaster.lab')])
    const data = Buffer.concat([names, Buffer.alloc(20)])
    const soa = encodeRecord({ name: 'lame.example', type: 'SOA', class: 1, ttl: 60, data })
    let flags = 0
    await using scripted = await startScriptedDns((request) => [answerTo(request, flags, [soa])])
    const resolver = createResolver([root.address])
    const look = () => askNameServers('lame.example', resolver, { signal, port: scripted.port })
    expect(await look()).toEqual({
      answering: 0,
      ill: [`lame.lab (${scripted.server}) answers, but not with authority (lame)`],
    })
    flags = authoritativeAnswer
    expect(await look()).toEqual({ answering: 1, ill: [] })
  })

  test('may all be dead', async () => {
    expect(await ask('none.example')).toEqual({
      answering: 0,
      ill: ['dead.lab (127.77.0.1) does not answer'],
    })
  })
})
