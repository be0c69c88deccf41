import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openCas } from '../../src/cas.ts'
import type { CaSettings } from '../../src/config/settings.ts'
import { namedMissing } from '../lab/named.ts'
import type { ProxyAnswer } from '../support/acme-proxy.ts'
import { badNonce } from '../support/faulty-ca.ts'
import { suggest } from '../support/pebble-suggestion.ts'
import { startTwoCas, type LocalCa, type TwoCas } from '../support/two-cas.ts'

const missing = await namedMissing()
if (missing) process.stderr.write(`skipped: ${missing}\n`)

const [name, other] = ['one.fleet.example', 'locked.example']

describe.skipIf(missing)('what is known of one CA is not held of another:', () => {
  let place: TwoCas
  beforeAll(async () => {
    place = await startTwoCas({
      certificates: { [name]: {}, [other]: {} },
      zones: {
        'fleet.example': {},
        'locked.example': { records: '@ CAA 0 issue "second.example"' },
      },
    })
  })
  beforeEach(() => {
    place.first.proxy.reset()
    place.second.proxy.reset()
    announce(place.first, 'first.example')
    announce(place.second, 'second.example')
  })
  afterAll(async () => place?.[Symbol.asyncDispose]())

  /** What the CA calls itself in CAA records. */
  const announce = ({ proxy }: LocalCa, identity: string) =>
    proxy.fault('directory', {
      do: 'edit',
      edit: (answer) => {
        const directory = JSON.parse(answer.body) as { meta: object }
        const meta = { ...directory.meta, caaIdentities: [identity] }
        return { ...answer, body: JSON.stringify({ ...directory, meta }) }
      },
    })
  const down = ({ proxy }: LocalCa) => {
    proxy.reset()
    proxy.fault('directory', { do: 'answer', status: 503 })
  }
  const swapped = () => ({ config: { acme: { ...place.second.acme, fallback: [place.first.acme] } } })

  test('CAA that forbids the first one alone is a reason for the second one', async () => {
    const { exitCode, stdout } = await place.certs(`plan ${other}`)
    expect(exitCode).toBe(0)
    expect(stdout).toContain(`+ issue version 1 by ${place.second.host}, because no version is stored here\n`)
    expect(stdout).toContain(
      `${place.first.host} was passed over: CAA forbids locked.example: locked.example. IN CAA 0 issue "second.example": it lets only second.example issue, and this CA is first.example\n`,
    )
  })

  test('CAA that forbids the second one is found out before it is used: in the plan, and in a run', async () => {
    down(place.second)
    const plan = await place.certs(`plan ${other}`, swapped())
    expect(plan.exitCode).toBe(0)
    expect(plan.stdout).toContain(`+ issue version 1 by ${place.second.host}`)
    expect(plan.stdout).toContain(`note: reading the directory at ${place.second.host} failed`)
    expect(plan.stdout).toContain(`note: nor can ${place.first.host} be used: CAA forbids locked.example: `)

    place.second.proxy.reset()
    announce(place.second, 'second.example')
    place.second.proxy.fault('newOrder', { do: 'answer', status: 403, body: '<html>' })
    const run = await place.certs(`rollout ${other}`, swapped())
    expect(run.exitCode).toBe(1)
    expect(run.stderr).toContain(`${place.first.host}: CAA forbids locked.example: `)
    expect(place.first.proxy.count('newOrder')).toBe(0)
  })

  test('check looks at each, and a fallback that CAA forbids is a warning', async () => {
    const { exitCode, stdout, stderr } = await place.certs('check', swapped())
    expect(exitCode, stderr).toBe(0)
    expect(stdout.match(/✓ +CA +https:/g)).toHaveLength(2)
    expect(stdout).toMatch(
      new RegExp(`✓ +CAA +${other} by ${place.second.host} +locked\\.example\\. IN CAA 0`),
    )
    expect(stdout).toMatch(
      new RegExp(`! +CAA +${other} by ${place.first.host} +CAA forbids locked\\.example: `),
    )
    expect(stdout).toContain(
      '\nhint: add in the zone locked.example: locked.example. IN CAA 0 issue "first.example"\n',
    )

    const first = await place.certs('check')
    expect(first.exitCode).toBe(1)
    expect(first.stderr).toContain('certs: error: CAA forbids locked.example: ')
    down(place.second)
    const silent = await place.certs('check')
    expect(silent.stderr).toContain(`certs: error: reading the directory at ${place.second.host} failed`)
  })

  test('a version of the second one is asked about there, replaced without telling the first one, and revoked there', async () => {
    down(place.first)
    expect(await place.certs(`rollout ${name}`)).toMatchObject({ exitCode: 0 })
    place.first.proxy.reset()
    const status = await place.certs(`status ${name}`)
    expect(status.stdout).toContain(
      `version 1 is stored, issued by ${place.second.host}, valid for 89 days\n`,
    )

    const leaf = await readFile(join(place.state, 'live', name, 'cert.pem'), 'utf8')
    await suggest(place.second.pebble, leaf, {
      suggestedWindow: { start: '2026-01-01T00:00:00Z', end: '2026-01-02T00:00:00Z' },
    })
    const plan = await place.certs(`plan ${name}`)
    expect(plan.stdout).toContain(
      `+ issue version 2 by ${place.first.host}, because the CA suggests its renewal from 2026-01-01 00:00 UTC`,
    )
    expect(place.first.proxy.count('renewalInfo')).toBe(0)

    const orders: ProxyAnswer[] = []
    const edit = (answer: ProxyAnswer) => {
      if (!badNonce(answer)) orders.push(answer)
      return answer
    }
    place.first.proxy.fault('newOrder', { do: 'edit', edit })
    expect(await place.certs(`renew ${name} --now`)).toMatchObject({ exitCode: 0, stderr: '' })
    expect(orders.map(({ status: code }) => code)).toEqual([201])

    place.first.deeds()
    const revocation = `revoke ${name} --version 1 --reason superseded --yes`
    expect(await place.certs(revocation)).toMatchObject({ exitCode: 0 })
    expect(place.second.pebble.log()).toContain('POST /revoke-cert')
    expect(place.first.pebble.log()).not.toContain('POST /revoke-cert')
    const history = await place.certs(`history ${name} --json`)
    const revoked = (JSON.parse(history.stdout) as { action: string; facts: object }[]).filter(
      ({ action }) => action === 'revoke',
    )
    expect(revoked).toMatchObject([{ facts: { directory: place.second.acme.directory } }])
  })

  test('a version without a record is revoked by the one that takes it', async () => {
    down(place.first)
    expect(await place.certs(`rollout ${name} --force-renew`)).toMatchObject({ exitCode: 0 })
    place.first.proxy.reset()
    await place.look((store) => store.remove(`issuers/${name}`))
    const newest = (await place.look((store) => store.listVersions(name))).at(-1)
    const { exitCode, stderr } = await place.certs(
      `revoke ${name} --version ${newest} --reason superseded --no-replacement --yes`,
    )
    expect(exitCode, stderr).toBe(0)
  })

  test('check --caa lets our account at each of them issue, which must be there before', async () => {
    await place.look(async (store) => {
      for (const key of await store.list('accounts')) await store.remove(key)
    })
    expect(await place.certs(`rollout ${name} --force-renew`)).toMatchObject({ exitCode: 0 })
    const lacking = await place.certs('check --caa')
    expect(lacking).toMatchObject({ exitCode: 1, stdout: '' })
    expect(lacking.stderr).toContain(`${place.second.host} failed: there is no account at it yet\n`)
    expect(lacking.stderr).toContain('hint: make it: certs account create\n')
    expect(await place.certs('account create')).toMatchObject({ exitCode: 0 })

    const { exitCode, stdout } = await place.certs('check --caa')
    expect(exitCode).toBe(0)
    const records = stdout.split('\n').filter((line) => line.startsWith('fleet.example. '))
    const of = (identity: string) =>
      expect.stringMatching(
        new RegExp(
          `^fleet\\.example\\. IN CAA 0 issue "${identity}; accounturi=https:.*; validationmethods=dns-01"$`,
        ),
      )
    expect(records).toEqual([of('first.example'), of('second.example')])
    expect(stdout).toContain('; zone fleet.example: only these accounts may issue for fleet.example and ')

    for (const record of records) await place.named.update(`update add ${record.replace(' IN ', ' 60 ')}`)
    expect((await place.certs('check --caa')).stdout).toContain(
      '; fleet.example: locked to these accounts already\n',
    )
    expect(await place.certs(`rollout ${name} --force-renew`)).toMatchObject({ exitCode: 0 })
    down(place.first)
    expect(await place.certs(`rollout ${name} --force-renew`)).toMatchObject({ exitCode: 0 })
    expect(await place.certs('check --caa')).toMatchObject({ exitCode: 1, stdout: '' })
  })

  test('what is served is trusted when it is of any of them', async () => {
    const settings = ({ acme }: LocalCa, caBundle: string | undefined): CaSettings => {
      const rest = { contact: [], eab: undefined, profile: undefined, preferredChain: undefined }
      return { ...rest, name: 'x', place: 'acme', directory: acme.directory, caBundle }
    }
    const [one, two] = [join(place.state, 'one.pem'), join(place.state, 'two.pem')]
    await writeFile(one, place.first.pebble.caBundle)
    await writeFile(two, place.second.pebble.caBundle)
    const roots = (...bundles: (string | undefined)[]) =>
      place.look((store) => {
        const [first, ...more] = bundles.map((bundle) => settings(place.first, bundle))
        return openCas([first!, ...more], { env: {}, store }).roots()
      })
    const trusts = async (ca: string, { host }: LocalCa): Promise<boolean> => {
      const [address, port] = host.split(':')
      const { promise, resolve, reject } = Promise.withResolvers<boolean>()
      const socket = connect({ host: address!, port: Number(port), ca, rejectUnauthorized: false })
      socket.once('secureConnect', () => resolve(socket.authorized)).once('error', reject)
      return promise.finally(() => socket.destroy())
    }
    const both = await roots(one, two)
    expect([await trusts(both, place.first), await trusts(both, place.second)]).toEqual([true, true])
    expect(await trusts(await roots(one), place.second)).toBe(false)
    // A public CA beside a private one: the machine's own roots count, too.
    const mixed = await roots(undefined, two)
    expect([await trusts(mixed, place.first), await trusts(mixed, place.second)]).toEqual([false, true])
    expect(mixed.match(/BEGIN CERTIFICATE/g)!.length).toBeGreaterThan(20)
    expect(await roots(undefined, undefined)).toBe('system')
  })
})
