import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { namedMissing } from '../lab/named.ts'
import { type Renewing, startRenewing } from '../support/renewing.ts'

const missing = await namedMissing()
if (missing) console.warn(`dns-persist-01 through the command line: skipped: ${missing}`)

const name = 'one.fleet.example'
const record = `_validation-persist.${name}`
const challenge = 'dns-persist-01'

describe.skipIf(missing)("a certificate with challenge: 'dns-persist-01'", () => {
  let place: Renewing
  let line: string
  beforeAll(async () => {
    place = await startRenewing({
      certificates: {
        [name]: { challenge },
        'wild.fleet.example': { names: ['wild.fleet.example', '*.wild.fleet.example'], challenge },
      },
      pebble: { PEBBLE_AUTHZREUSE: '0' },
    })
  })
  afterAll(async () => place?.[Symbol.asyncDispose]())

  const host = () => new URL(place.proxy.directory).host
  const updates = (): number => place.named.log().split('updating zone').length - 1
  const lineOf = (text: string, at: string): string => {
    const found = new RegExp(
      `set in the zone fleet\\.example: (${at.replaceAll('.', '\\.')}\\. 3600 IN TXT ".*")`,
    )
    return found.exec(text)![1]!
  }
  const set = (text: string): Promise<void> =>
    place.named.update(`update delete ${text.split(' ')[0]} TXT`, `update add ${text}`)

  test('without an account, plan and check say how to make one, and make none', async () => {
    for (const command of ['check', `plan ${name}`]) {
      const { exitCode, stdout, stderr } = await place.certs(command)
      expect(exitCode).toBe(1)
      expect(stdout + stderr).toContain(
        `dns-persist-01 of ${name} needs an account at ${host()}, which TXT ${record} must name: there is none yet\n`,
      )
      expect(stdout + stderr).toContain('hint: make it: certs account create\n')
    }
    expect(place.deeds()).toEqual({ accounts: 0, orders: 0, certificates: 0 })
  })

  test('the account is made once, and its URL said each time', async () => {
    const { exitCode, stdout } = await place.certs('account create')
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(
      /^Made the account at 127\.0\.0\.1:\d+: https:\/\/127\.0\.0\.1:\d+\/my-account\/\w+\n$/,
    )
    const again = await place.certs('account create')
    expect(again.stdout).toBe(stdout.replace('Made', 'There was already'))
    const json = JSON.parse((await place.certs('account create --json')).stdout) as unknown
    expect(json).toEqual([
      { directory: place.proxy.directory, account: stdout.split(': ')[1]!.trim(), made: false },
    ])
    expect(place.deeds()).toEqual({ accounts: 1, orders: 0, certificates: 0 })
    expect((await place.certs('history')).stdout).toContain(`made an account at ${place.proxy.directory}`)
  })

  test('a CA that is down is an error, and makes no account', async () => {
    place.proxy.fault('directory', { do: 'cut', when: 'before' })
    const { exitCode, stdout, stderr } = await place.certs('account create --state ./elsewhere')
    place.proxy.reset()
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toMatch(/^certs: error: reading the directory at 127\.0\.0\.1:\d+ failed: /m)
    expect(place.deeds()).toMatchObject({ accounts: 0 })
  })

  test('check prints the one record to set for each name, and plan, rollout and renew refuse without it', async () => {
    const check = await place.certs('check')
    expect(check.exitCode).toBe(1)
    expect(check.stdout).toMatch(/✗ +DNS +wild\.fleet\.example, \*\.wild\.fleet\.example +failed\n/)
    line = lineOf(check.stderr, record)
    expect(line).toMatch(
      / "pebble\.letsencrypt\.org; accounturi=https:\/\/127\.0\.0\.1:\d+\/my-account\/\w+"$/,
    )
    const wild = lineOf(check.stderr, '_validation-persist.wild.fleet.example')
    expect(wild).toMatch(/; policy=wildcard"$/)
    for (const command of [`plan ${name}`, `rollout ${name}`, `renew ${name} --now`]) {
      const { exitCode, stdout, stderr } = await place.certs(command)
      expect(exitCode).toBe(1)
      expect(stdout + stderr).toContain(
        `dns-persist-01 of ${name} for ${host()} fails at TXT ${record}: no TXT record stands there\n`,
      )
      expect(stdout + stderr).toContain(`hint: set in the zone fleet.example: ${line}\n`)
    }
    expect(place.deeds()).toMatchObject({ orders: 0 })
    await set(line)
    await set(wild)
  })

  test('check proves what was set as it was printed', async () => {
    const { exitCode, stdout, stderr } = await place.certs('check')
    expect(stderr).toBe('')
    expect(exitCode).toBe(0)
    const value = line.slice(line.indexOf('"') + 1, -1)
    expect(stdout).toContain(`TXT ${record} in zone fleet.example stands: ${value}\n`)
  })

  test('plan, first issuance and renewals: DNS is not written, not even once', async () => {
    expect((await place.certs(`plan ${name}`)).stdout).toContain(
      `      ${name}: TXT ${record} in zone fleet.example stands; nothing is written to DNS\n`,
    )
    const before = { zone: await place.named.dump('fleet.example'), updates: updates() }
    expect(await place.certs('renew --now')).toMatchObject({ exitCode: 0, stderr: '' })
    for (const number of [2, 3]) {
      const { exitCode, stdout } = await place.certs(`rollout ${name} --force-renew`)
      expect({ exitCode, stdout }).toEqual({
        exitCode: 0,
        stdout: expect.stringContaining(`version ${number}`),
      })
    }
    expect(place.deeds()).toMatchObject({ orders: 4, certificates: 4 })
    expect({ zone: await place.named.dump('fleet.example'), updates: updates() }).toEqual(before)
    expect((await place.certs(`history ${name}`)).stdout).not.toContain('TXT')
  })

  test('a run killed when it has answered is taken up, and nothing is left or written', async () => {
    const before = updates()
    await place.certs(`rollout ${name} --force-renew`, { killAt: 'challenge-answered' })
    expect(await place.certs(`rollout ${name}`)).toMatchObject({ exitCode: 0 })
    expect(place.deeds()).toMatchObject({ orders: 1, certificates: 1 })
    expect(updates()).toBe(before)
  })

  test('a record that ends soon is told by check and by the run that uses it, once', async () => {
    await set(`${line.slice(0, -1)}; persistUntil=${Math.floor(Date.now() / 1000) + 20 * 86_400 + 600}"`)
    const said = new RegExp(
      `dns-persist-01 of ${name} for ${host()} ends in 20 days: TXT ${record} says persistUntil 20`,
      'g',
    )
    const check = await place.certs('check')
    expect(check).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(said) })
    expect(check.stderr).toContain(`set it anew, later or without: ${line}`)
    expect((await place.certs(`plan ${name}`)).stdout).not.toMatch(said)
    const { exitCode, stdout, stderr } = await place.certs(`rollout ${name} --force-renew`)
    expect(exitCode).toBe(0)
    expect(stdout + stderr).toMatch(said)
    expect((stdout + stderr).match(said)).toHaveLength(1)
    await set(line)
  })

  test('CAA is judged by the method, and locks to it', async () => {
    const [caa] = ['fleet.example. 60 IN CAA 0 issue "pebble.letsencrypt.org; validationmethods=dns-01"']
    await place.named.update(`update add ${caa}`)
    expect(await place.certs('check')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('it allows validation only by dns-01, not by dns-persist-01'),
    })
    const { stdout } = await place.certs('check --caa')
    expect(stdout).toContain(
      '; zone fleet.example: only this account may issue for fleet.example and every name below it, by dns-persist-01 alone\n',
    )
    const lock = /^fleet\.example\. IN CAA .*; validationmethods=dns-persist-01"$/m.exec(stdout)![0]
    await place.named.update(
      'update delete fleet.example CAA',
      `update add ${lock.replace(' IN ', ' 60 IN ')}`,
    )
    expect(await place.certs('check')).toMatchObject({ exitCode: 0 })
    expect(await place.certs(`rollout ${name} --force-renew`)).toMatchObject({ exitCode: 0 })
  })
})
