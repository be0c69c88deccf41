import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type KeyType, keyTypes, readLeaf } from '../../src/core/certificate.ts'
import { AcmeError, ProviderError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { Solver } from '../../src/dns/solver.ts'
import { type ChallengeServer, type Pebble, startChallengeServer, startPebble } from '../lab/pebble.ts'
import { type ChallengeSolver, createChallengeSolver } from '../support/challenge-solver.ts'
import { createController } from '../support/issuing.ts'

let dns: ChallengeServer
let pebble: Pebble
let solver: ChallengeSolver

beforeAll(async () => {
  dns = await startChallengeServer()
  solver = createChallengeSolver(dns)
  pebble = await startPebble({
    dnsServer: dns.dnsServer,
    env: { PEBBLE_ALTERNATE_ROOTS: '2' },
    profiles: { default: 7_776_000, shortlived: 518_400 },
    blocklist: ['blocked.example'],
  })
})

afterAll(async () => {
  await pebble[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
})

const acme = () => ({ directory: pebble.directory, contact: ['ops@hachyderm.io'], caBundle: pebble.caBundle })

async function failureOf(promise: Promise<unknown>): Promise<AcmeError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(AcmeError)
  return error as AcmeError
}

describe('issues', () => {
  test('one certificate, and says each step in its order', async () => {
    await using controller = await createController()
    const version = await controller.issue({
      names: ['one.example'],
      acme: { ...acme(), profile: 'default' },
      solver,
    })

    expect(controller.kinds()).toEqual([
      'account-created',
      'key-stored',
      'order-created',
      'txt-created',
      'challenge-answered',
      'finalize-sent',
      'version-stored',
      'txt-removed',
    ])
    expect(await controller.store.getVersion('one.example', 1)).toEqual(version)
    const leaf = new X509Certificate(version.leaf)
    expect(leaf.checkPrivateKey(createPrivateKey(version.key.reveal()))).toBe(true)
    expect(leaf.checkIssued(new X509Certificate(version.chain))).toBe(true)
    expect(await solver.values('_acme-challenge.one.example')).toEqual([])
    expect(await controller.store.list('orders')).toEqual([])
  })

  test.for(keyTypes)('with a key of type %s', async (key) => {
    await using controller = await createController()
    const version = await controller.issue({ names: [`${key}.example`], key, acme: acme(), solver })
    expect(readLeaf(version.leaf).keyType).toBe(key)
  })

  test('several names with apex and wildcard, whose two values stand together', async () => {
    const seen: string[][] = []
    const watched: Solver = {
      ...solver,
      waitUntilSeen: async (records, options) => {
        await solver.waitUntilSeen(records, options)
        seen.push(await solver.values('_acme-challenge.hachyderm.io'))
      },
    }
    await using controller = await createController()
    const names = ['hachyderm.io', '*.hachyderm.io', 'media.hachyderm.io', 'a.b.hachyderm.io']
    const version = await controller.issue({ names, acme: acme(), solver: watched })
    expect(readLeaf(version.leaf).names).toEqual(names.toSorted())
    expect(seen.map((values) => new Set(values).size)).toEqual([2])
    for (const name of names)
      expect(await solver.values(`_acme-challenge.${name.replace('*.', '')}`)).toEqual([])
  })

  test('a name too long for a common name', async () => {
    await using controller = await createController()
    const name = `${'a'.repeat(60)}.${'b'.repeat(60)}.example`
    expect(readLeaf((await controller.issue({ names: [name], acme: acme(), solver })).leaf).names).toEqual([
      name,
    ])
  })

  test('side by side for two certificates with one account', async () => {
    await using controller = await createController()
    const pairs = ['left.example', 'right.example'].map((name) =>
      controller.issue({ names: [name], acme: acme(), solver }),
    )
    await Promise.all(pairs)
    expect(controller.kinds().filter((kind) => kind === 'account-created')).toHaveLength(1)
    expect(await controller.store.list('accounts')).toHaveLength(1)
  })

  test('with the profile and the preferred chain of the configuration', async () => {
    await using controller = await createController()
    const roots = pebble
      .roots()
      .split(/(?<=-----END CERTIFICATE-----\n)/)
      .map((pem) => readLeaf(pem).issuer)
    for (const preferredChain of roots) {
      const settings = { ...acme(), profile: 'shortlived', preferredChain }
      const version = await controller.issue({ names: ['chain.example'], acme: settings, solver })
      expect(readLeaf(version.chain).issuer).toBe(preferredChain)
      const { notBefore, notAfter } = readLeaf(version.leaf)
      expect((Date.parse(notAfter) - Date.parse(notBefore)) / 86_400_000).toBeCloseTo(6, 1)
    }
    expect(new Set(roots).size).toBe(3)
  })

  test('without a TXT record when the CA has proof already', async () => {
    await using reusing = await startPebble({ dnsServer: dns.dnsServer, env: { PEBBLE_AUTHZREUSE: '100' } })
    await using controller = await createController()
    const settings = { ...acme(), directory: reusing.directory, caBundle: reusing.caBundle }
    await controller.issue({ names: ['again.example'], acme: settings, solver })
    controller.events.length = 0
    await controller.issue({ names: ['again.example'], acme: settings, solver })
    expect(controller.kinds()).toEqual(['key-stored', 'order-created', 'finalize-sent', 'version-stored'])
  })
})

describe('an external account binding', () => {
  const hmac = 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W'
  let bound: Pebble
  beforeAll(async () => {
    bound = await startPebble({ dnsServer: dns.dnsServer, eab: { 'kid-1': hmac } })
  })
  afterAll(() => bound[Symbol.asyncDispose]())
  const settings = () => ({ directory: bound.directory, contact: [], caBundle: bound.caBundle })

  test('opens the account', async () => {
    await using controller = await createController()
    const eab = { kid: 'kid-1', hmac: new Secret(hmac) }
    const version = await controller.issue({ names: ['eab.example'], acme: { ...settings(), eab }, solver })
    expect(version.number).toBe(1)
  })

  test('that is missing is asked for before anything is ordered', async () => {
    await using controller = await createController()
    const error = await failureOf(controller.issue({ names: ['eab.example'], acme: settings(), solver }))
    expect(error.message).toMatch(
      /registering the account at .* failed: the CA wants an external account binding/,
    )
    expect(error.hints[0]).toContain('set eab beside its directory')
  })

  test('with a wrong secret is refused, and the secret is nowhere told', async () => {
    await using controller = await createController()
    const wrong = Buffer.from('wrong secret wrong secret wrong!').toString('base64url')
    const eab = { kid: 'kid-1', hmac: new Secret(wrong) }
    const error = await failureOf(
      controller.issue({ names: ['eab.example'], acme: { ...settings(), eab }, solver }),
    )
    expect(error.message).toMatch(/^registering the account at .* failed: /)
    expect(JSON.stringify([error.message, error.hints, error.detail, controller.events])).not.toContain(wrong)
  })
})

describe('refuses', () => {
  test('a CA whose HTTPS leads to no trusted root, also when the environment says to trust all', async () => {
    await using controller = await createController()
    const settings = { directory: pebble.directory, contact: [] }
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    for (const value of [undefined, '0']) {
      if (value !== undefined) process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = value
      const error = await failureOf(
        controller.issue({ names: ['tls.example'], acme: settings, solver }),
      ).finally(() => {
        if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
        else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
      })
      expect(error.message).toMatch(
        /^reading the directory at 127.0.0.1:\d+ failed: its HTTPS can't be trusted: /,
      )
      expect(error.hints).toEqual(['for a private CA, set acme.caBundle to a PEM file with its roots'])
    }
    expect(await controller.store.list('orders')).toEqual([])
  })

  test('plain http', async () => {
    await using controller = await createController()
    const directory = pebble.directory.replace('https:', 'http:')
    const error = await failureOf(
      controller.issue({ names: ['http.example'], acme: { directory, contact: [] }, solver }),
    )
    expect(error.message).toContain('the CA pointed to http://')
  })

  test('a chain that no root of the bundle issued, and takes the same order up when the bundle is mended', async () => {
    await using controller = await createController()
    const partial = { ...acme(), caBundle: pebble.httpsRoot }
    const error = await failureOf(controller.issue({ names: ['roots.example'], acme: partial, solver }))
    expect(error.message).toContain('which no root of acme.caBundle issued')
    expect(await controller.store.listVersions('roots.example')).toEqual([])

    controller.events.length = 0
    await controller.issue({ names: ['roots.example'], acme: acme(), solver })
    expect(controller.kinds()).toEqual(['order-created', 'version-stored'])
  })

  test('a preferred chain that the CA has not, naming those it has', async () => {
    await using controller = await createController()
    const settings = { ...acme(), preferredChain: 'Nobody Root' }
    const error = await failureOf(controller.issue({ names: ['nochain.example'], acme: settings, solver }))
    expect(error.message).toContain('has no chain for nochain.example up to "Nobody Root"')
    expect(error.hints[0]?.match(/"Pebble Root CA \w+"/g)).toHaveLength(3)
  })

  test('a profile that the CA has not, before ordering', async () => {
    await using controller = await createController()
    const settings = { ...acme(), profile: 'tlsserver' }
    const error = await failureOf(controller.issue({ names: ['profile.example'], acme: settings, solver }))
    expect(error.message).toMatch(
      /has no profile "tlsserver": it offers (default, shortlived|shortlived, default)/,
    )
    expect(error.detail?.split('\n').toSorted()).toEqual(['default: default', 'shortlived: shortlived'])
    expect(controller.kinds()).not.toContain('order-created')
  })

  test('a name that the CA rejects, in its own words', async () => {
    await using controller = await createController()
    const error = await failureOf(controller.issue({ names: ['blocked.example'], acme: acme(), solver }))
    expect(error).toMatchObject({ type: 'rejectedIdentifier', status: 400 })
    expect(error.message).toMatch(
      /^ordering blocked\.example at .* failed: .*\(rejectedIdentifier, HTTP 400\)$/,
    )
  })
})

describe('when validation fails', () => {
  test('the CA is quoted name by name, the records are gone, and the next run makes a new order', async () => {
    await using controller = await createController()
    const forgetful: Solver = {
      ...solver,
      create: async (record, signal) => {
        if (!record.name.includes('bad')) await solver.create(record, signal)
      },
      waitUntilSeen: async () => undefined,
    }
    const names = ['fail.example', 'bad.fail.example', '*.bad.fail.example']
    const error = await failureOf(controller.issue({ names, acme: acme(), solver: forgetful }))
    expect(error.message).toMatch(/^the CA could not validate /)
    expect(error.subproblems.length).toBeGreaterThan(0)
    for (const { identifier } of error.subproblems)
      expect(['bad.fail.example', '*.bad.fail.example']).toContain(identifier)
    expect(error.hints.length).toBeGreaterThan(0)
    expect(await solver.values('_acme-challenge.fail.example')).toEqual([])

    const version = await controller.issue({ names, acme: acme(), solver })
    expect(version.number).toBe(1)
    expect(controller.events.filter(({ kind }) => kind === 'order-created')).toMatchObject([
      { resumed: false },
      { resumed: false },
    ])
  })
})

describe('TXT records', () => {
  test('are removed after an abort, and the next run goes on with the same order', async () => {
    await using controller = await createController()
    const stop = new AbortController()
    const impatient: Solver = {
      ...solver,
      waitUntilSeen: async (_records, { signal }) => {
        stop.abort()
        signal.throwIfAborted()
      },
    }
    const names = ['abort.example']
    const aborted = controller.issue({ names, acme: acme(), solver: impatient, signal: stop.signal })
    await expect(aborted).rejects.toThrow()
    expect(await solver.values('_acme-challenge.abort.example')).toEqual([])

    await controller.issue({ names, acme: acme(), solver })
    const orders = controller.events.filter((event) => event.kind === 'order-created')
    expect(orders).toMatchObject([{ resumed: false }, { resumed: true }])
    expect(orders[1]?.url).toBe(orders[0]?.url)
  })

  test('that can not be removed are a warning, stay on the list, and are removed by the next sweep', async () => {
    await using controller = await createController()
    const stuck: Solver = {
      ...solver,
      remove: async () => {
        throw new ProviderError('removing TXT failed: HTTP 500')
      },
    }
    const version = await controller.issue({ names: ['stuck.example'], acme: acme(), solver: stuck })
    expect(version.number).toBe(1)
    expect(controller.events.at(-1)).toMatchObject({
      kind: 'warning',
      message: expect.stringMatching(/^TXT _acme-challenge\.stuck\.example ".+" is still in DNS .*HTTP 500$/),
    })
    expect(await controller.store.list('orders')).toEqual([])
    expect(await solver.values('_acme-challenge.stuck.example')).toHaveLength(1)

    await controller.sweep(stuck)
    expect(await controller.store.list('txt')).toEqual(['txt/stuck.example'])
    await controller.sweep(solver)
    expect(await solver.values('_acme-challenge.stuck.example')).toEqual([])
    expect(await controller.store.list('txt')).toEqual([])
  })

  test('of somebody else at the same name stay', async () => {
    await using controller = await createController()
    const foreign = {
      ...(await solver.locate('foreign.example', AbortSignal.timeout(1_000))),
      value: 'not ours',
    }
    await solver.create(foreign, AbortSignal.timeout(1_000))
    await controller.issue({ names: ['foreign.example'], acme: acme(), solver })
    expect(await solver.values('_acme-challenge.foreign.example')).toEqual(['not ours'])
  })

  test('are all created or given up before any is removed when one of them fails', async () => {
    await using controller = await createController()
    const flaky: Solver = {
      ...solver,
      create: async (record, signal) => {
        if (record.name.includes('one.')) throw new ProviderError('creating TXT failed: HTTP 403')
        await new Promise((resolve) => setTimeout(resolve, 150))
        await solver.create(record, signal)
      },
    }
    const names = ['flaky.example', 'one.flaky.example']
    await expect(controller.issue({ names, acme: acme(), solver: flaky })).rejects.toThrow('HTTP 403')
    expect(await solver.values('_acme-challenge.flaky.example')).toEqual([])
  })
})

describe('another wish than that of the order under way', () => {
  const failing = (): Solver => ({
    ...solver,
    waitUntilSeen: () => Promise.reject(new ProviderError('not seen')),
  })

  interface Change {
    readonly names?: readonly string[]
    readonly key?: KeyType
    readonly profile?: string
  }
  const changes: readonly (readonly [what: string, name: string, change: Change])[] = [
    ['names', 'names.wish.example', { names: ['names.wish.example', 'more.wish.example'] }],
    ['key', 'key.wish.example', { key: 'ecdsa-p384' }],
    ['profile', 'profile.wish.example', { profile: 'shortlived' }],
  ]
  test.for(changes)('of %s gets an order of its own', async ([, name, { profile, ...change }]) => {
    await using controller = await createController()
    const first = { names: [name], acme: acme(), solver: failing() }
    await expect(controller.issue(first)).rejects.toThrow('not seen')
    await controller.issue({ ...first, ...change, acme: { ...acme(), ...(profile && { profile }) }, solver })
    const orders = controller.events.filter((event) => event.kind === 'order-created')
    expect(new Set(orders.map(({ url }) => url)).size).toBe(2)
    expect(await solver.values(`_acme-challenge.${name}`)).toEqual([])
    expect(await controller.store.list('orders')).toEqual([])
  })
})

test('no key is ever told, in events, journal or errors', async () => {
  await using controller = await createController()
  const version = await controller.issue({ names: ['quiet.example'], acme: acme(), solver })
  const secret = version.key.reveal().split('\n')[1] ?? ''
  expect(secret.length).toBeGreaterThan(40)
  const state = join(controller.folder, 'state')
  const journal = await readFile(join(state, 'journal.ndjson'), 'utf8')
  expect(journal).toContain('order-finalize')
  expect(journal + JSON.stringify(controller.events)).not.toContain(secret)
  // What was written while the order was under way is gone with it.
  const files = await readdir(state, { recursive: true })
  const left = files.filter(
    (file) => !file.includes('archive') && !file.includes('live') && file.endsWith('.json'),
  )
  for (const file of left) expect(await readFile(join(state, file), 'utf8')).not.toContain(secret)
})
