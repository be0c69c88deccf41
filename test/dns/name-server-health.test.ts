import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { askNameServers } from '../../src/dns/name-server-health.ts'
import { createResolver } from '../../src/dns/resolver.ts'
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
            dead A 127.77.0.1`,
        },
        'well.example': { nameServers: { 'ns1.lab': '', 'ns2.lab': '' } },
        'slow.example': { nameServers: { 'ns1.lab': '', 'ns2.lab': '' } },
        'ill.example': { nameServers: { 'ns1.lab': '', 'ns2.lab': '', 'dead.lab': '', 'gone.lab': '' } },
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

  test('may all be dead', async () => {
    expect(await ask('none.example')).toEqual({
      answering: 0,
      ill: ['dead.lab (127.77.0.1) does not answer'],
    })
  })
})
