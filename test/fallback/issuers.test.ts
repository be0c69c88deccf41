import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { recordIssuer } from '../../src/acme/issuers.ts'
import { namedMissing } from '../lab/named.ts'
import { startTwoCas, type TwoCas } from '../support/two-cas.ts'

const missing = await namedMissing()
if (missing) process.stderr.write(`skipped: ${missing}\n`)

const name = 'one.fleet.example'

describe.skipIf(missing)('the CA that issued a version is on record:', () => {
  let place: TwoCas
  beforeEach(async () => {
    place = await startTwoCas({ certificates: { [name]: {} }, acme: (first) => first })
    expect(await place.certs(`rollout ${name}`)).toMatchObject({ exitCode: 0 })
  })
  afterEach(async () => place?.[Symbol.asyncDispose]())

  const moved = () => ({ config: { acme: place.second.acme } })
  const revocation = `revoke ${name} --version 1 --reason superseded --no-replacement --yes`
  const asked = ({ proxy }: TwoCas['first']) => proxy.count('renewalInfo')

  test('no other CA is asked when to renew it, or told that it is replaced', async () => {
    const before = asked(place.first)
    await place.certs('renew --now', moved())
    expect([asked(place.first) - before, asked(place.second)]).toEqual([0, 0])
    // Nor is it looked up each time.
    expect(JSON.stringify(await place.look((store) => store.list('ari')))).toContain('ari/127.0.0.1')

    const orders: string[] = []
    place.second.proxy.fault('newOrder', {
      do: 'edit',
      edit: (answer) => {
        orders.push(answer.body)
        return answer
      },
    })
    expect(await place.certs(`rollout ${name} --force-renew`, moved())).toMatchObject({ exitCode: 0 })
    expect(orders.filter((body) => !body.includes('badNonce'))).toHaveLength(1)
    expect(orders.join()).not.toContain('replaces')
    expect(await place.certs(`rollout ${name} --force-renew`, moved())).toMatchObject({ exitCode: 0 })
    expect(orders.at(-1)).toContain('replaces')
  })

  test('a version is revoked there, and nothing is done when it is no longer configured', async () => {
    const { exitCode, stderr } = await place.certs(revocation, moved())
    expect(exitCode).toBe(2)
    expect(stderr).toBe(
      `certs: error: finding the CA of version 1 of ${name} failed: ${place.first.acme.directory} is no longer configured\n` +
        `certs: hint: put it back: acme: { …, fallback: [{ directory: '${place.first.acme.directory}' }] }\n`,
    )
    expect(await place.look((store) => store.list('blocked-keys'))).toEqual([])
    expect(await place.certs(revocation)).toMatchObject({ exitCode: 0 })
  })

  test('a version without a record is taken for one of the CA that is configured', async () => {
    await place.look((store) => store.remove(`issuers/${name}`))
    await place.certs('renew --now', { config: { state: place.state } })
    expect(asked(place.first)).toBe(1)
    expect(await place.certs(revocation)).toMatchObject({ exitCode: 0 })
  })

  test('by the leaf, so that a copy under another number has it as well', async () => {
    const leaf = await readFile(join(place.state, 'live', name, 'cert.pem'), 'utf8')
    const [copied] = await place.look(async (store) => {
      const version = await store.getVersion(name, 1)
      await store.addVersion({ ...version!, number: 7 })
      await recordIssuer(store, { ...version!, number: 9, leaf }, 'https://elsewhere.example/dir')
      return store.listVersions(name)
    })
    expect(copied).toBe(1)
    const { stderr } = await place.certs(revocation.replace('--version 1', '--version 7'))
    expect(stderr).toContain('finding the CA of version 7')
  })
})
