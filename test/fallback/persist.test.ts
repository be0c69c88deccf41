import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { namedMissing } from '../lab/named.ts'
import { startTwoCas, type LocalCa, type TwoCas } from '../support/two-cas.ts'

const missing = await namedMissing()
if (missing) process.stderr.write(`skipped: ${missing}\n`)

const names = ['both', 'second', 'none', 'offer'].map((label) => `${label}.fleet.example`)
const recordOf = (name: string) => `_validation-persist.${name}`

describe.skipIf(missing)('dns-persist-01 with a fallback', () => {
  let place: TwoCas
  const accounts = new Map<LocalCa, string>()
  const set = (name: string, cas: readonly LocalCa[]): Promise<void> =>
    place.named.update(
      ...cas.map(
        (ca) =>
          `update add ${recordOf(name)} 60 TXT "pebble.letsencrypt.org; accounturi=${accounts.get(ca)}"`,
      ),
    )
  beforeAll(async () => {
    const certificates = Object.fromEntries(
      names.map((one) => [one, { challenge: 'dns-persist-01' as const }]),
    )
    place = await startTwoCas({ certificates })
    const { exitCode, stdout } = await place.certs('account create --json')
    expect(exitCode).toBe(0)
    const made = JSON.parse(stdout) as { directory: string; account: string }[]
    for (const ca of [place.first, place.second]) {
      accounts.set(ca, made.find(({ directory }) => directory === ca.acme.directory)!.account)
    }
  })
  beforeEach(() => {
    for (const ca of [place.first, place.second]) {
      ca.proxy.reset()
      ca.deeds()
    }
  })
  afterAll(async () => place?.[Symbol.asyncDispose]())

  test('check prints a record for each CA; only what the first one lacks fails', async () => {
    const name = 'none.fleet.example'
    const { exitCode, stdout, stderr } = await place.certs('check')
    expect(exitCode).toBe(1)
    for (const ca of [place.first, place.second]) {
      expect(stdout).toContain(`${name} by ${ca.host}`)
      expect(stdout + stderr).toContain(
        `${recordOf(name)}. 3600 IN TXT "pebble.letsencrypt.org; accounturi=${accounts.get(ca)}"`,
      )
    }
    await set('both.fleet.example', [place.first, place.second])
    await set('second.fleet.example', [place.second])
    const errors = (await place.certs('check')).stderr
      .split('\n')
      .filter((line) => line.startsWith('certs: error'))
    expect(errors.filter((line) => line.includes('both.fleet.example'))).toEqual([])
    expect(errors.filter((line) => line.includes('second.fleet.example'))).toHaveLength(1)
  })

  test('each CA is used for which a record stands, the first first', async () => {
    for (const [name, ca] of [
      ['both.fleet.example', place.first],
      ['second.fleet.example', place.second],
    ] as const) {
      const { exitCode, stderr } = await place.certs(`renew ${name} --now`)
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
      expect(ca.deeds()).toMatchObject({ orders: 1, certificates: 1 })
    }
    expect(place.first.deeds()).toMatchObject({ orders: 0 })
    expect((await place.certs('history second.fleet.example')).stdout).toContain(
      `was passed over: dns-persist-01 of second.fleet.example for ${place.first.host} fails at TXT`,
    )
  })

  test('where no record stands, nothing is ordered anywhere, and each record is printed', async () => {
    const { exitCode, stdout, stderr } = await place.certs('rollout none.fleet.example')
    expect(exitCode).toBe(1)
    for (const url of accounts.values()) expect(stdout + stderr).toContain(`accounturi=${url}"`)
    for (const ca of [place.first, place.second]) expect(ca.deeds()).toMatchObject({ orders: 0 })
  })

  test('a CA that does not offer the challenge is passed over, and not taken for one that is down', async () => {
    const name = 'offer.fleet.example'
    await set(name, [place.first, place.second])
    place.first.proxy.fault('authorization', {
      do: 'edit',
      edit: (answer) => ({ ...answer, body: answer.body.replaceAll('dns-persist-01', 'dns-new-02') }),
    })
    const { exitCode, stdout } = await place.certs(`renew ${name} --now`)
    expect(exitCode).toBe(0)
    expect(stdout).toContain(
      `${place.second.host} issued version 1, because ${place.first.host} was passed over: the CA offers no dns-persist-01 challenge`,
    )
    expect(place.second.deeds()).toMatchObject({ certificates: 1 })
  })
})
