import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { rfc2136 } from '../../providers/rfc2136.ts'
import { readLeaf } from '../../src/core/certificate.ts'
import { AcmeError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { createSolver } from '../../src/dns/solve.ts'
import type { Solver } from '../../src/dns/solver.ts'
import { type Named, namedMissing, startNamed } from '../lab/named.ts'
import { type Pebble, startPebble } from '../lab/pebble.ts'
import { createController } from '../support/issuing.ts'

const missing = await namedMissing()
if (missing) console.warn(`issuing with a real name server: skipped: ${missing}`)

describe.skipIf(missing)('with bind9, dynamic updates and CNAME delegation', () => {
  let named: Named
  let pebble: Pebble
  let solver: Solver
  let before: Record<string, string[]>

  const dumps = async (): Promise<Record<string, string[]>> => ({
    served: await named.dump('hachyderm.io'),
    delegated: await named.dump('acme.nivenly.org'),
  })

  beforeAll(async () => {
    named = await startNamed({
      zones: {
        'hachyderm.io': {
          records: `
            @ A 192.0.2.1
            www A 192.0.2.1
            media CNAME cdn
            cdn A 192.0.2.2
            _acme-challenge.media CNAME media.acme.nivenly.org.
            _acme-challenge.www TXT "somebody else's"`,
        },
        'acme.nivenly.org': { records: 'media TXT "kept"' },
      },
    })
    pebble = await startPebble({ dnsServer: `${named.address}:${named.port}` })
    const tsig = { ...named.tsig, secret: new Secret(named.tsig.secret) }
    const home = async () => rfc2136({ server: `${named.address}:${named.port}`, tsig })
    solver = createSolver({ providers: { home }, preferred: 'home', resolvers: [named.address] })
  })
  beforeEach(async () => {
    before = await dumps()
  })
  afterAll(async () => {
    await pebble[Symbol.asyncDispose]()
    await named[Symbol.asyncDispose]()
  })

  const acme = () => ({ directory: pebble.directory, contact: [], caBundle: pebble.caBundle })

  test.for([
    [['media.hachyderm.io']],
    [['hachyderm.io', '*.hachyderm.io', 'www.hachyderm.io', 'media.hachyderm.io']],
  ])('%j are proved, and the zones are as before', async ([names = []]) => {
    await using controller = await createController()
    const version = await controller.issue({ names, acme: acme(), solver })
    expect(readLeaf(version.leaf).names).toEqual(names.toSorted())
    expect(await dumps()).toEqual(before)
  })

  test('the record of a delegated name is written where the delegation leads', async () => {
    await using controller = await createController()
    const seen: string[][] = []
    const watched: Solver = {
      ...solver,
      waitUntilSeen: async (records, options) => {
        await solver.waitUntilSeen(records, options)
        seen.push(await named.txt('media.acme.nivenly.org'))
      },
    }
    await controller.issue({ names: ['media.hachyderm.io'], acme: acme(), solver: watched })
    expect(seen).toHaveLength(1)
    expect(seen[0]).toHaveLength(2)
    expect(seen[0]).toContain('kept')
    expect(await dumps()).toEqual(before)
  })

  test('what the CA can not see, it is quoted on, and the zones are as before', async () => {
    await using controller = await createController()
    const blind: Solver = { ...solver, create: async () => undefined, waitUntilSeen: async () => undefined }
    const error: unknown = await controller
      .issue({ names: ['media.hachyderm.io', 'www.hachyderm.io'], acme: acme(), solver: blind })
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(AcmeError)
    expect((error as AcmeError).message).toMatch(/^the CA could not validate (media|www)\.hachyderm\.io: /)
    expect(await dumps()).toEqual(before)
  })
})
