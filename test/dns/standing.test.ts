import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ProviderError } from '../../src/core/errors.ts'
import type { Standing } from '../../src/core/persist-finding.ts'
import { createSolver } from '../../src/dns/solve.ts'
import { namedMissing, startNamed, type Named } from '../lab/named.ts'

const missing = await namedMissing()
if (missing) console.warn(`records that stay: skipped: ${missing}`)

const { signal } = new AbortController()

describe.skipIf(missing)('the records that stand under _validation-persist', () => {
  const opened: Named[] = []
  const open = async (options: Parameters<typeof startNamed>[0]): Promise<Named> => {
    const named = await startNamed(options)
    opened.push(named)
    return named
  }
  let primary: Named
  let other: Named
  let root: Named

  const look = (identifier: string): Promise<Standing> =>
    createSolver({ providers: {}, resolvers: [root.address] }).standing(identifier, signal)

  beforeAll(async () => {
    const long = `${'a'.repeat(255)}" "${'b'.repeat(255)}" "c`
    primary = await open({
      zonesOnly: true,
      zones: {
        'two.example': {
          records: `
            _validation-persist.www TXT "one"
            _validation-persist.www TXT "two"
            _validation-persist.long TXT "${long}"
            _validation-persist.led CNAME there.other.example.
            _validation-persist.loop CNAME _validation-persist.loop
            *.covered TXT "from the wildcard"
            *.covered A 192.0.2.1`,
        },
        'other.example': { records: 'there TXT "here"' },
        'lame.example': { records: '_validation-persist TXT "one"' },
      },
    })
    other = await open({ zonesOnly: true, zones: { 'two.example': { records: 'www A 192.0.2.1' } } })
    const both = { nameServers: { 'ns1.lab': primary.address, 'ns2.lab': other.address } }
    root = await open({
      zones: {
        lab: {
          nameServers: { 'ns.lab': '127.0.0.1' },
          records: `ns1 A ${primary.address}\nns2 A ${other.address}`,
        },
        'two.example': {
          ...both,
          records: `
            _validation-persist.led CNAME there.other.example.
            _validation-persist.loop CNAME _validation-persist.loop
            *.covered A 192.0.2.1`,
        },
        'other.example': { nameServers: { 'ns1.lab': primary.address } },
        'lame.example': both,
      },
    })
  })
  afterEach(() => {
    for (const named of opened) named.thaw()
  })
  afterAll(async () => {
    for (const named of opened) await named[Symbol.asyncDispose]()
  })

  const shown = () => [`ns1.lab (${primary.address})`, `ns2.lab (${other.address})`]

  test('are what each authoritative server says, not what a resolver remembers', async () => {
    const { zone, name, servers } = await look('*.www.two.example')
    expect({ zone, name }).toEqual({ zone: 'two.example', name: '_validation-persist.www.two.example' })
    expect(
      servers.toSorted((a, b) => a.shown.localeCompare(b.shown)).map(({ values }) => values.toSorted()),
    ).toEqual(shown()[0]! < shown()[1]! ? [['one', 'two'], []] : [[], ['one', 'two']])
  })

  test('are joined from their strings', async () => {
    const { servers } = await look('long.two.example')
    expect(servers.flatMap(({ values }) => values)).toEqual([`${'a'.repeat(255)}${'b'.repeat(255)}c`])
  })

  test('are looked at where a CNAME leads', async () => {
    expect(await look('led.two.example')).toEqual({
      zone: 'other.example',
      name: 'there.other.example',
      servers: [{ shown: shown()[0], values: ['here'] }],
    })
  })

  test('a server that is silent or lame is passed over; when none is left, that is an error', async () => {
    expect((await look('lame.example')).servers).toEqual([{ shown: shown()[0], values: ['one'] }])
    for (const named of [primary, other]) named.freeze()
    await expect(look('www.two.example')).rejects.toThrow(
      'look-up of TXT _validation-persist.www.two.example failed: no name server of two.example answers',
    )
  })

  test('a loop is named, and a name that only a wildcard answers for refused', async () => {
    const loop: unknown = await look('loop.two.example').catch((error: unknown) => error)
    expect(loop).toBeInstanceOf(ProviderError)
    expect((loop as ProviderError).hints).toEqual([
      'let one CNAME lead from _validation-persist.loop.two.example to the name where the record stands',
    ])
    await expect(look('a.covered.two.example')).rejects.toThrow(
      'it would stop resolving while _validation-persist.a.covered.two.example exists',
    )
  })
})
