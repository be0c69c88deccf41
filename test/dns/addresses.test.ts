import { afterAll, describe, expect, test } from 'vitest'
import { findAddresses } from '../../src/dns/addresses.ts'
import { createResolver } from '../../src/dns/resolver.ts'
import { namedMissing, startNamed } from '../lab/named.ts'

const missing = await namedMissing()
if (missing) console.warn(`where names lead: skipped: ${missing}`)
const { signal } = new AbortController()

describe.skipIf(missing)('where a name leads', async () => {
  const named = missing
    ? undefined
    : await startNamed({
        zones: {
          'a.example': {
            records: [
              'www A 192.0.2.1',
              'www AAAA 2001:db8::1',
              'here CNAME www',
              'away CNAME x.b.example.',
              'loop CNAME pool',
              'pool CNAME loop',
              'empty TXT "nothing else"',
              'lost CNAME nobody.b.example.',
            ].join('\n'),
          },
          'b.example': { records: 'x CNAME y\ny A 192.0.2.2' },
        },
      })
  afterAll(async () => named?.[Symbol.asyncDispose]())
  const look = (name: string) =>
    findAddresses(createResolver([`${named!.address}:${named!.port}`]), name, signal)
  test.each([
    ['www.a.example', ['192.0.2.1', '2001:db8::1'], undefined],
    ['here.a.example', ['192.0.2.1', '2001:db8::1'], 'www.a.example'],
    ['away.a.example', ['192.0.2.2'], 'y.b.example'],
    ['empty.a.example', [], undefined],
    ['gone.a.example', [], undefined],
    ['lost.a.example', [], 'nobody.b.example'],
  ])('%s', async (name, addresses, alias) => {
    expect(await look(name)).toEqual({ addresses, ...(alias === undefined ? {} : { alias }) })
  })

  test('a loop of aliases, or no answer at all, is an error and not nowhere', async () => {
    await expect(look('loop.a.example')).rejects.toThrow('look-up of A loop.a.example failed')
    const nobody = createResolver(['127.0.0.1:1'])
    await expect(findAddresses(nobody, 'www.a.example', signal)).rejects.toThrow('www.a.example failed')
  })
})
