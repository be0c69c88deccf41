import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { showCaa } from '../../src/core/caa.ts'
import { createFindCaa } from '../../src/dns/caa.ts'
import { createResolver } from '../../src/dns/resolver.ts'
import { namedMissing, startNamed, type Named } from '../lab/named.ts'

const missing = await namedMissing()
if (missing) console.warn(`the CAA records of a name: skipped: ${missing}`)

const { signal } = new AbortController()

describe.skipIf(missing)('the CAA records of a name', () => {
  let named: Named
  beforeAll(async () => {
    named = await startNamed({
      zones: {
        'hachyderm.io': {
          records: `
            @ CAA 0 issue "letsencrypt.org"
            @ CAA 0 iodef "mailto:ops@hachyderm.io"
            media CNAME cdn.example.net.
            free CNAME plain.example.net.
            gone CNAME nowhere.example.net.
            own CAA 128 issue "sectigo.com; accounturi=https://ca.example/a\\"b"
            own.deeper A 192.0.2.1
            broken NS ns1.broken
            ns1.broken A 127.77.0.1`,
        },
        'example.net': {
          records: `
            @ CAA 0 issue "never.example"
            cdn CNAME edge
            edge CAA 0 issue "cdn.example"
            edge A 192.0.2.1
            plain A 192.0.2.1`,
        },
        'nothing.example': {},
      },
    })
  })
  afterAll(async () => named?.[Symbol.asyncDispose]())

  async function find(identifier: string): Promise<string[]> {
    const findCaa = createFindCaa(createResolver([`${named.address}:${named.port}`]))
    const { owner, records } = await findCaa(identifier, signal)
    return records.map((record) => showCaa(owner, record)).toSorted()
  }

  const above = [
    'hachyderm.io. IN CAA 0 iodef "mailto:ops@hachyderm.io"',
    'hachyderm.io. IN CAA 0 issue "letsencrypt.org"',
  ]

  test.each<[string, string, readonly string[]]>([
    ['its own', 'hachyderm.io', above],
    ['those of the closest name above it', 'files.eu.hachyderm.io', above],
    ['for a wildcard, those of the name below it', '*.hachyderm.io', above],
    [
      'its own and none above',
      'own.hachyderm.io',
      ['own.hachyderm.io. IN CAA 128 issue "sectigo.com; accounturi=https://ca.example/a\\"b"'],
    ],
    [
      "where it is an alias, the target's",
      'media.hachyderm.io',
      ['edge.example.net. IN CAA 0 issue "cdn.example"'],
    ],
    [
      'below an alias, those of the alias',
      'a.media.hachyderm.io',
      ['edge.example.net. IN CAA 0 issue "cdn.example"'],
    ],
    ['nothing of what is above the target, but what is above the name', 'free.hachyderm.io', above],
    ['of an alias to nowhere, what is above the name', 'gone.hachyderm.io', above],
    ['none at all', 'a.nothing.example', []],
  ])('%s: %s', async (_which, identifier, records) => {
    expect(await find(identifier)).toEqual(records)
  })

  test('a name server that does not answer is an error, and not the absence of records', async () => {
    await expect(find('x.broken.hachyderm.io')).rejects.toThrow(
      /look-up of CAA x\.broken\.hachyderm\.io failed: .*SERVFAIL/,
    )
  })

  test('what stands above many names is asked for once', async () => {
    const resolver = createResolver([`${named.address}:${named.port}`])
    const asked: string[] = []
    const findCaa = createFindCaa({
      ...resolver,
      ask: (name, type, more) => (asked.push(name), resolver.ask(name, type, more)),
    })
    await Promise.all(['a', 'b', 'c'].map((label) => findCaa(`${label}.hachyderm.io`, signal)))
    expect(asked.toSorted()).toEqual([
      'a.hachyderm.io',
      'b.hachyderm.io',
      'c.hachyderm.io',
      'hachyderm.io',
      'io',
    ])
  })
})
