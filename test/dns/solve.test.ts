import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { rfc2136 } from '../../providers/rfc2136.ts'
import { ProviderError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { createResolver } from '../../src/dns/resolver.ts'
import { createSolver } from '../../src/dns/solve.ts'
import type { Place, Solver } from '../../src/dns/solver.ts'
import { namedMissing, startNamed, type Named } from '../lab/named.ts'

const missing = await namedMissing()
if (missing) console.warn(`finding the place of a challenge: skipped: ${missing}`)

const { signal } = new AbortController()

/** Twelve names, each a CNAME to the next. */
const staircase = Array.from({ length: 12 }, (_, n) => `step${n} CNAME step${n + 1}`).join('\n')

describe.skipIf(missing)('the place of a challenge', () => {
  let named: Named
  let child: Named
  let solver: Solver

  const providerOf = (server: Named) => async () =>
    rfc2136({ server: server.address, tsig: { ...server.tsig, secret: new Secret(server.tsig.secret) } })
  const newSolver = (preferred = 'home'): Solver =>
    createSolver({
      providers: { home: providerOf(named), child: providerOf(child) },
      preferred,
      resolvers: [named.address],
    })
  const failure = async (identifier: string): Promise<ProviderError> => {
    const error = await solver.locate(identifier, signal).then(
      (place) => new Error(`was found at ${JSON.stringify(place)}`),
      (reason: unknown) => reason,
    )
    if (error instanceof ProviderError) return error
    throw error
  }

  beforeAll(async () => {
    child = await startNamed({ zones: { 'media.hachyderm.io': { records: 'static A 192.0.2.9' } } })
    named = await startNamed({
      zones: {
        'hachyderm.io': {
          records: `
            @ A 192.0.2.1
            www A 192.0.2.1
            cdn CNAME geo.cdn.example.net.
            media NS ns1.media
            ns1.media A ${child.address}
            _acme-challenge.delegated CNAME delegated.acme.nivenly.org.
            _acme-challenge.far CNAME far.acme.nivenly.org.
            _acme-challenge.loop CNAME loop-a
            loop-a CNAME loop-b
            loop-b CNAME _acme-challenge.loop
            ${staircase}
            _acme-challenge.eight CNAME step5
            _acme-challenge.nine CNAME step4
            _acme-challenge.nowhere CNAME x.gone.example.org.
            _acme-challenge.unserved CNAME x.broken.hachyderm.io.
            broken NS ns1.broken
            ns1.broken A 127.77.0.1`,
        },
        'acme.nivenly.org': { records: 'far CNAME further.acme.nivenly.org.' },
        'example.com': {
          records: `
            * CNAME lb.example.net.
            www A 192.0.2.1
            under.ent A 192.0.2.1
            same CNAME lb.example.net.
            *.same CNAME lb.example.net.`,
        },
        'sub.example.com': { records: '* CNAME www.example.com.' },
        'addresses.example': { records: '* A 192.0.2.1\nwww A 192.0.2.1\n*.www A 192.0.2.1' },
        'mail.example': { records: '* MX 10 mx.example.net.\n* TXT "v=spf1 -all"' },
      },
    })
    solver = newSolver()
  })
  afterAll(async () => {
    await named?.[Symbol.asyncDispose]()
    await child?.[Symbol.asyncDispose]()
  })

  test.each<[string, Place]>([
    [
      'www.hachyderm.io',
      { zone: 'hachyderm.io', name: '_acme-challenge.www.hachyderm.io', provider: 'home' },
    ],
    ['hachyderm.io', { zone: 'hachyderm.io', name: '_acme-challenge.hachyderm.io', provider: 'home' }],
    ['*.hachyderm.io', { zone: 'hachyderm.io', name: '_acme-challenge.hachyderm.io', provider: 'home' }],
    [
      'not-there-yet.a.b.hachyderm.io',
      {
        zone: 'hachyderm.io',
        name: '_acme-challenge.not-there-yet.a.b.hachyderm.io',
        provider: 'home',
      },
    ],
  ])('of %s is in the zone that owns the SOA', async (identifier, place) => {
    expect(await solver.locate(identifier, signal)).toEqual(place)
  })

  test('is not in the zone that a wildcard CNAME leads to', async () => {
    expect(await solver.locate('*.sub.example.com', signal)).toMatchObject({ zone: 'sub.example.com' })
  })

  test('of a name that is itself a CNAME stays beside that name', async () => {
    const place = { zone: 'hachyderm.io', name: '_acme-challenge.cdn.hachyderm.io', provider: 'home' }
    expect(await solver.locate('cdn.hachyderm.io', signal)).toEqual(place)
  })

  test('is in the delegated child zone, and at the provider that holds that', async () => {
    const place = {
      zone: 'media.hachyderm.io',
      name: '_acme-challenge.static.media.hachyderm.io',
      provider: 'child',
    }
    expect(await solver.locate('static.media.hachyderm.io', signal)).toEqual(place)
    expect(await newSolver('child').locate('www.hachyderm.io', signal)).toMatchObject({ provider: 'home' })
  })

  test('follows CNAMEs across zones', async () => {
    expect(await solver.locate('delegated.hachyderm.io', signal)).toMatchObject({
      zone: 'acme.nivenly.org',
      name: 'delegated.acme.nivenly.org',
    })
    expect(await solver.locate('*.far.hachyderm.io', signal)).toMatchObject({
      name: 'further.acme.nivenly.org',
    })
  })

  test('follows eight CNAMEs and refuses nine', async () => {
    expect(await solver.locate('eight.hachyderm.io', signal)).toMatchObject({ name: 'step12.hachyderm.io' })
    expect((await failure('nine.hachyderm.io')).message).toMatch(
      /^following _acme-challenge\.nine\.hachyderm\.io failed: more than 8 CNAMEs: _acme-challenge\.nine\S+ → step4\S+ → .* → step12\.hachyderm\.io$/,
    )
  })

  test('prints the whole chain of a loop', async () => {
    expect(await failure('loop.hachyderm.io')).toMatchObject({
      message:
        'following _acme-challenge.loop.hachyderm.io failed: a CNAME loop: _acme-challenge.loop.hachyderm.io → loop-a.hachyderm.io → loop-b.hachyderm.io → _acme-challenge.loop.hachyderm.io',
    })
  })

  test('names the chain and the missing zone of a dangling delegation', async () => {
    expect(await failure('nowhere.hachyderm.io')).toMatchObject({
      message:
        'following _acme-challenge.nowhere.hachyderm.io → x.gone.example.org failed: no zone for x.gone.example.org: neither it nor a name above it has a SOA record',
    })
  })

  test('names the chain when the target zone does not answer', { timeout: 60_000 }, async () => {
    const error = await failure('unserved.hachyderm.io')
    expect(error.message).toContain(
      'following _acme-challenge.unserved.hachyderm.io → x.broken.hachyderm.io failed: look-up of CNAME x.broken.hachyderm.io failed:',
    )
    expect(error.message).toContain('SERVFAIL')
    expect(error.hints[0]).toBe(
      'the zone of x.broken.hachyderm.io does not answer: mend it, or change the CNAME at _acme-challenge.unserved.hachyderm.io',
    )
  })

  test('lists who was asked when no provider holds the zone', async () => {
    solver = createSolver({
      providers: { child: providerOf(child) },
      preferred: 'child',
      resolvers: [named.address],
    })
    expect(await failure('www.hachyderm.io')).toMatchObject({
      message:
        'no DNS provider holds the zone hachyderm.io of _acme-challenge.www.hachyderm.io: child does not hold it',
      hints: [
        'configure one that does under dns, or give the account of child access to hachyderm.io',
        'or delegate: _acme-challenge.www.hachyderm.io. IN CNAME to a name in a zone that child holds',
      ],
    })
    expect((await failure('delegated.hachyderm.io')).message).toContain(
      'the zone acme.nivenly.org of delegated.acme.nivenly.org (_acme-challenge.delegated.hachyderm.io → delegated.acme.nivenly.org): child',
    )
    solver = newSolver()
  })

  describe('of a name that only a wildcard answers for', () => {
    beforeEach(() => {
      solver = newSolver()
    })

    test.each(['media.example.com', '*.media.example.com', 'a.b.example.com'])(
      '%s is refused',
      async (identifier) => {
        const name = identifier.replace('*.', '')
        expect(await failure(identifier)).toMatchObject({
          message: `${name} exists only through a wildcard: it would stop resolving while _acme-challenge.${name} exists`,
          hints: [
            `give it the wildcard's records as its own, then run again: ${name}. IN CNAME lb.example.net.`,
            expect.stringContaining('names: ['),
            `a CNAME at _acme-challenge.${name} would hide it just the same`,
          ],
        })
      },
    )

    test('and the refusal is right: the record would take the name off the net', async () => {
      const resolver = createResolver([named.address])
      expect(await resolver.lookUp('media.example.com', 'CNAME', signal)).toEqual(['lb.example.net'])
      await named.update('update add _acme-challenge.media.example.com 60 TXT "x"')
      expect(await resolver.lookUp('media.example.com', 'CNAME', signal)).toEqual([])
      await named.update('update delete _acme-challenge.media.example.com TXT')
    })

    test.each([
      ['example.com', '_acme-challenge.example.com'],
      ['*.example.com', '_acme-challenge.example.com'],
      ['www.example.com', '_acme-challenge.www.example.com'],
      ['ent.example.com', '_acme-challenge.ent.example.com'],
      ['sub.example.com', '_acme-challenge.sub.example.com'],
      ['same.example.com', '_acme-challenge.same.example.com'],
      ['*.same.example.com', '_acme-challenge.same.example.com'],
      ['www.addresses.example', '_acme-challenge.www.addresses.example'],
      ['smtp.mail.example', '_acme-challenge.smtp.mail.example'],
    ])('but %s is not taken for one, nor led astray by the wildcard', async (identifier, name) => {
      expect(await solver.locate(identifier, signal)).toMatchObject({ name })
    })

    test('but a name with a record of its own below it is not', async () => {
      await named.update('update add _acme-challenge.own.addresses.example 60 TXT "left by a killed run"')
      expect(await solver.locate('own.addresses.example', signal)).toMatchObject({ provider: 'home' })
    })
  })

  test('takes the other provider when the preferred one does not hold the zone, and reports its own failure', async () => {
    const broken = async (): Promise<never> => Promise.reject(new ProviderError('the token is refused'))
    const providers = { home: providerOf(named), broken }
    const resolvers = [named.address]
    const first = createSolver({ providers, preferred: 'home', resolvers })
    expect(await first.locate('www.hachyderm.io', signal)).toMatchObject({ provider: 'home' })
    const second = createSolver({ providers, preferred: 'broken', resolvers })
    await expect(second.locate('www.hachyderm.io', signal)).rejects.toThrow('the token is refused')
    solver = createSolver({
      providers: { ...providers, home: broken, child: providerOf(child) },
      preferred: 'child',
      resolvers,
    })
    expect((await failure('www.hachyderm.io')).message).toContain('home: the token is refused')
  })

  afterEach(() => {
    solver = newSolver()
  })
})
