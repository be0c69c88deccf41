import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { namedMissing } from '../lab/named.ts'
import type { Fault, ProxyAnswer, RequestKind } from '../support/acme-proxy.ts'
import { problemDocument } from '../support/faulty-ca.ts'
import { startTwoCas, type TwoCas } from '../support/two-cas.ts'

const missing = await namedMissing()
if (missing) process.stderr.write(`skipped: ${missing}\n`)

/** One for each test. */
const names = Array.from({ length: 40 }, (_, index) => `n${index}.fleet.example`)
const many = Array.from({ length: 30 }, (_, index) => `m${index}.fleet.example`)
const none = { orders: 0, certificates: 0 }
const one = { orders: 1, certificates: 1 }
const problem = (status: number, type: string, headers: Record<string, string> = {}): Fault => ({
  do: 'answer',
  status,
  headers: { 'content-type': 'application/problem+json', ...headers },
  body: problemDocument(type),
})

describe.skipIf(missing)('with a fallback', () => {
  let place: TwoCas
  let name: string
  beforeAll(async () => {
    place = await startTwoCas({
      certificates: Object.fromEntries([...names, ...many].map((each) => [each, {}])),
    })
  })
  beforeEach(() => {
    name = names.shift()!
    for (const ca of [place.first, place.second]) {
      ca.proxy.reset()
      ca.deeds()
    }
  })
  afterAll(async () => place?.[Symbol.asyncDispose]())

  const attempts = () => place.look((store) => store.get(`attempts/${name}`))
  const txt = () => place.named.txt(`_acme-challenge.${name}`)

  test.each<[string, RequestKind, Fault]>([
    ['can not be reached', 'directory', { do: 'cut', when: 'before' }],
    ['is down for maintenance', 'directory', { do: 'answer', status: 503, body: '<html>' }],
    ['takes no account', 'newAccount', problem(503, 'serverInternal', { 'retry-after': '7200' })],
    ['has a page in front that says no', 'newAccount', { do: 'answer', status: 403, body: '<html>' }],
    ['cuts each order', 'newOrder', { do: 'cut', when: 'before' }],
    ['fails at each order', 'newOrder', problem(500, 'serverInternal')],
    ['has too many of them', 'newOrder', problem(429, 'rateLimited', { 'retry-after': '7200' })],
    ['does not want the name', 'newOrder', problem(400, 'rejectedIdentifier')],
    ['does not want us', 'newOrder', problem(403, 'unauthorized')],
    ['wants new terms read', 'newOrder', problem(403, 'userActionRequired')],
    ['fails when authorizations are read', 'authorization', { do: 'answer', status: 404 }],
  ])('the next CA issues when the first one %s', async (_what, kind, fault) => {
    place.first.proxy.fault(kind, fault)
    const { exitCode, stdout, stderr } = await place.certs(`renew ${name} --now`)
    expect(exitCode, stderr).toBe(0)
    expect(stderr).toBe('')
    expect(stdout).toContain(
      `${name}: ${place.second.host} issued version 1, because ${place.first.host} was passed over: `,
    )
    expect(place.second.deeds()).toMatchObject(one)
    expect(place.first.deeds()).toMatchObject({ certificates: 0 })
    expect(await txt()).toEqual([])
    expect(await place.look((store) => store.list('orders'))).toEqual([])
    expect((await place.certs(`history ${name}`)).stdout).toMatch(
      new RegExp(
        `issued version 1 of ${name} by ${place.second.host}, because no version .* was passed over: `,
      ),
    )
    expect(await place.certs(`renew ${name} --now`)).toEqual({ exitCode: 0, stdout: '', stderr: '' })
  })

  test.each<[string, RequestKind, Fault, RegExp]>([
    ['what is sent is wrong', 'newOrder', problem(400, 'malformed'), /so it is \(malformed/],
    [
      'it wants an account binding',
      'newOrder',
      problem(403, 'externalAccountRequired'),
      /so it is \(externalAcc/,
    ],
    [
      'the CA saw another TXT record',
      'authorization',
      { do: 'edit', edit: otherToken },
      /the CA could not validate n\d+\.fleet\.example/,
    ],
  ])('another CA is not asked when %s: it would say the same', async (_what, kind, fault, said) => {
    place.first.proxy.fault(kind, fault)
    const { exitCode, stderr } = await place.certs(`renew ${name} --now`)
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(said)
    expect(place.second.proxy.count('directory')).toBe(0)
    expect(await attempts()).toMatchObject({ value: { failures: 1 } })
  })

  test('the first CA issues, and the other one is not even asked', async () => {
    expect(await place.certs(`renew ${name} --now`)).toMatchObject({ exitCode: 0, stderr: '' })
    expect([place.first.deeds(), place.second.deeds()]).toMatchObject([one, none])
    place.first.proxy.fault('renewalInfo', { do: 'answer', status: 404 })
    expect(await place.certs(`renew ${name} --now`)).toMatchObject({ exitCode: 0, stderr: '' })
    expect(place.first.proxy.count('renewalInfo')).toBe(1)
    expect(place.second.proxy.count('directory')).toBe(0)
    expect((await place.certs(`history ${name}`)).stdout).toContain(
      `issued version 1 of ${name} by ${place.first.host}, because no version is stored here\n`,
    )
  })

  test('nor when the DNS can not be changed', async () => {
    const server = `${place.named.address}:${place.named.port}`
    const tsig = {
      name: place.named.tsig.name,
      algorithm: 'hmac-sha256',
      secret: 'bm90IHRoaXMgb25lIG5vdCB0aGlzIG9uZSE=',
    }
    const config = { dns: { home: { provider: 'rfc2136', server, tsig } } }
    expect(await place.certs(`renew ${name} --now`, { config })).toMatchObject({ exitCode: 1 })
    expect(place.second.proxy.count('directory')).toBe(0)
  })

  test('a refusal parks that CA for that certificate, over runs, and the next renewal goes back to it', async () => {
    const limited = problem(429, 'rateLimited', { 'retry-after': '7200' })
    place.first.proxy.fault('newOrder', limited)
    await place.certs(`renew ${name} --now`)
    const asked = place.first.proxy.count('newOrder')
    const forced = await place.certs(`rollout ${name} --force-renew`)
    expect(forced).toMatchObject({ exitCode: 0 })
    expect(forced.stdout).toContain(`${place.first.host} was passed over: it refuses until `)
    expect(place.first.proxy.count('newOrder')).toBe(asked)
    expect(place.second.deeds()).toMatchObject({ orders: 2, certificates: 2 })

    place.first.proxy.reset()
    await place.age(name, 121 * 60_000)
    // Another key type is due at once.
    const config = { certificates: { [name]: { key: 'ecdsa-p384' as const } } }
    const plan = await place.certs(`plan ${name}`, { config })
    expect(plan.stdout).toContain(`+ issue version 3 by ${place.first.host}, because its key is ecdsa-p256`)
    expect(plan.stdout).not.toContain('passed over')
    expect(await place.certs(`renew ${name} --now`, { config })).toMatchObject({ exitCode: 0, stderr: '' })
    expect([place.first.deeds(), place.second.deeds()]).toMatchObject([one, none])
    expect(await attempts()).toBeUndefined()
  })

  test('when no CA issues, all are told, and the run after next tries the first one first again', async () => {
    place.first.proxy.fault('newOrder', problem(403, 'unauthorized'), { times: 1 })
    place.second.proxy.fault('newOrder', problem(429, 'rateLimited', { 'retry-after': '7200' }))
    const failed = await place.certs(`renew ${name} --now`)
    expect(failed.exitCode).toBe(1)
    expect(failed.stderr).toMatch(
      new RegExp(`^certs: error: no CA issued ${name}: ${place.first.host}: .*; ${place.second.host}: `),
    )
    expect((await place.certs(`renew ${name} --now`)).stderr).toContain(`${name} is parked until `)
    await place.age(name, 61_000)
    expect(await place.certs(`renew ${name} --now`)).toMatchObject({ exitCode: 0, stderr: '' })
    expect(place.first.deeds()).toMatchObject(one)
  })

  test('a CA that fails when its certificate may be there is not left: the next run finishes the same order', async () => {
    expect(await place.certs(`rollout ${name}`)).toMatchObject({ exitCode: 0 })
    place.first.proxy.fault('certificate', { do: 'answer', status: 403, body: '<html>' })
    const failed = await place.certs(`rollout ${name} --force-renew`)
    expect(failed, failed.stdout + failed.stderr).toMatchObject({ exitCode: 1 })
    expect(failed.stderr).toContain('certs: error: downloading the certificate at ')
    expect(place.second.proxy.count('directory')).toBe(0)
    place.first.proxy.reset()
    expect(await place.certs(`rollout ${name}`)).toMatchObject({ exitCode: 0 })
    expect(place.first.deeds()).toMatchObject({ orders: 2, certificates: 2 })
    expect(place.second.deeds()).toMatchObject(none)
  })

  test('many certificates that are due do not all wait for a CA that has been found down', async () => {
    place.first.proxy.fault('newOrder', { do: 'answer', status: 403, body: '<html>' })
    const { exitCode, stderr } = await place.certs(`renew ${many.join(' ')} --now`)
    expect(exitCode, stderr).toBe(0)
    expect(place.second.deeds()).toMatchObject({ orders: many.length, certificates: many.length })
    // As many as are under way at once.
    expect(place.first.proxy.count('newOrder')).toBeLessThanOrEqual(20)
  }, 60_000)

  test('the settings of each are its own: what is wrong with one says where it stands', async () => {
    const { directory, caBundle } = place.second.acme
    const fallback = [{ directory, caBundle, profile: 'nonesuch' }]
    place.first.proxy.fault('directory', { do: 'answer', status: 503 })
    const config = { acme: { ...place.first.acme, fallback } }
    const { exitCode, stdout } = await place.certs(`plan ${name}`, { config })
    expect(exitCode).toBe(0)
    expect(stdout).toContain(
      `note: nor can ${place.second.host} be used: the CA at ${place.second.host} has no profile "nonesuch": it offers default\n`,
    )
    expect(stdout).toContain('hint: correct acme.fallback[0].profile in the configuration, or leave it out\n')

    const chained = {
      acme: { ...place.first.acme, fallback: [{ ...fallback[0]!, profile: 'default', preferredChain: 'X' }] },
    }
    const issued = await place.certs(`rollout ${name}`, { config: chained })
    expect(issued.exitCode).toBe(1)
    expect(issued.stderr).toContain('certs: hint: set acme.fallback[0].preferredChain to one of ')
  })
})

/** The challenge has another token, so that we answer for one and the CA looks for the other. */
function otherToken(answer: ProxyAnswer): ProxyAnswer {
  return { ...answer, body: answer.body.replaceAll(/"token": ?"[^"]{4}/g, '"token":"AAAA') }
}
