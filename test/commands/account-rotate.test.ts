import { once } from 'node:events'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { namedMissing } from '../lab/named.ts'
import { badNonce } from '../support/faulty-ca.ts'
import { type Renewing, startRenewing } from '../support/renewing.ts'

const missing = await namedMissing()
if (missing) process.stderr.write(`skipped: ${missing}\n`)

const name = 'one.fleet.example'

describe.skipIf(missing)('certs account rotate', () => {
  let place: Renewing
  beforeAll(async () => {
    place = await startRenewing({ certificates: { [name]: {} } })
  })
  afterAll(async () => place?.[Symbol.asyncDispose]())

  const folder = () => join(place.state, 'documents/accounts')
  /** The one document of accounts, as it stands in the file. */
  async function account(): Promise<{ key: string; url: string; next?: { key: string; at: string } }> {
    const [file = '', ...more] = await readdir(folder())
    expect(more).toEqual([])
    expect((await stat(join(folder(), file))).mode & 0o777).toBe(0o600)
    const text = await readFile(join(folder(), file), 'utf8')
    return (JSON.parse(text) as { value: { key: string; url: string } }).value
  }

  test('without an account says so, and without a terminal asks nobody; neither makes a key', async () => {
    expect(await place.certs('account rotate --yes')).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr:
        `certs: error: there is no account at ${place.proxy.directory} whose key could be changed\n` +
        'certs: hint: make one: certs account create\n',
    })
    expect(await place.certs('account rotate')).toMatchObject({
      exitCode: 2,
      stderr:
        'certs: error: certs account rotate: this is no terminal, so nobody can be asked\n' +
        'certs: hint: certs account rotate --yes\n',
    })
    const { host } = new URL(place.proxy.directory)
    expect(await place.certs('account rotate ca.example --yes')).toMatchObject({
      exitCode: 2,
      stderr:
        'certs: error: certs account rotate: "ca.example" is no configured CA\n' +
        `certs: hint: certs account rotate ${host}\n`,
    })
    expect(place.proxy.count('directory')).toBe(0)
    expect(await readdir(folder()).catch(() => [])).toEqual([])
  })

  test('says what it does, which key the CA takes now, and history tells it', async () => {
    expect(await place.certs('renew --now')).toMatchObject({ exitCode: 0 })
    const before = await account()
    const { exitCode, stdout } = await place.certs('account rotate --yes')
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(
      /^The account (\S+) at (\S+) gets a new key\.\nThe CA takes the new key [\w-]{43}; the old one, [\w-]{43}, is forgotten\.\n$/,
    )
    const after = await account()
    expect(after).toEqual({ ...before, key: expect.any(String) })
    expect(after.key).not.toBe(before.key)
    const { from, to, ...rest } = JSON.parse(
      (await place.certs(`account rotate ${new URL(place.proxy.directory).host} --yes --json`)).stdout,
    ) as Record<string, string>
    expect(rest).toEqual({ directory: place.proxy.directory, account: before.url })
    expect(stdout).toContain(`new key ${from};`)
    expect((await place.certs('history')).stdout).toContain(
      `changed the key of the account ${before.url} from ${from} to ${to}\n`,
    )
    expect((await place.certs(`history ${name}`)).stdout).not.toContain('changed the key')
    const { certificates } = JSON.parse((await place.certs('status --json')).stdout) as {
      certificates: object[]
    }
    const directory = place.proxy.directory
    expect(certificates).toMatchObject([
      { certificate: name, ca: { name: new URL(directory).host, directory } },
    ])
  })

  test('killed when the CA has acted, the next issuance goes on with the key that the CA takes', async () => {
    const before = await account()
    place.proxy.fault('keyChange', { do: 'hang', when: 'after' }, { unless: badNonce })
    const running = place.start('account rotate --yes')
    while (place.proxy.swallowed().length === 0 && running.exitCode === null) await sleep(10)
    running.kill('SIGKILL')
    await once(running, 'close')
    place.proxy.reset()
    const open = await account()
    expect(open).toMatchObject({ key: before.key, next: { key: expect.any(String) } })

    expect(await place.certs(`rollout ${name} --force-renew`)).toMatchObject({ exitCode: 0 })
    expect(await account()).toEqual({ ...before, key: open.next?.key })
    expect((await place.certs('history')).stdout).toMatch(/began to change the key of the account .*; no end/)
  })

  test('killed before the CA has heard of it, running it again offers the same key', async () => {
    expect(await place.certs('account rotate --yes', { killAt: 'account-key-stored' })).toMatchObject({
      exitCode: 128,
    })
    const open = await account()
    const { host } = new URL(place.proxy.directory)
    expect((await place.certs('check')).stdout).toMatch(
      RegExp(
        `! +CA +\\S+ +a change of our account's key, begun at .* UTC, is not over\n[^]*hint: certs account rotate ${host} `,
      ),
    )
    const { exitCode, stdout } = await place.certs('account rotate --yes')
    expect(exitCode).toBe(0)
    expect((await place.certs('check')).stdout).not.toContain('is not over')
    expect(stdout).toMatch(
      /^The account \S+ at \S+: going on with the change of its key begun at 20.* UTC\.\nThe CA takes the new key/,
    )
    expect(await account()).toEqual({ key: open.next?.key, url: open.url, directory: place.proxy.directory })
  })

  test('SIGTERM while the CA is silent ends it at once, and keeps both keys', async () => {
    place.proxy.reset()
    place.proxy.fault('keyChange', { do: 'hang' })
    const running = place.start('account rotate --yes')
    await vi.waitUntil(() => place.proxy.count('keyChange') > 0, { timeout: 10_000, interval: 5 })
    // A run that needs the lock meanwhile is told who has it.
    const second = await place.certs('account rotate --yes')
    expect(second).toMatchObject({ exitCode: 75, stdout: '' })
    expect(second.stderr).toContain('certs account rotate --yes')
    running.kill('SIGTERM')
    await once(running, 'close')
    expect(running.exitCode).toBe(143)
    expect(await account()).toHaveProperty('next')
    place.proxy.reset()
    expect(await place.certs('account rotate --yes')).toMatchObject({ exitCode: 0 })
    expect(await account()).not.toHaveProperty('next')
  })

  test('of several CAs, the one that is meant must be said: by host, by URL or by name', async () => {
    const file = join(place.state, '../certs.config.ts')
    const config = await readFile(file, 'utf8')
    const { host } = new URL(place.proxy.directory)
    await writeFile(
      file,
      config.replace(/directory:|"directory":/, `fallback: [{ directory: 'letsencrypt' }], $&`),
    )
    expect(await place.certs('account rotate --yes')).toMatchObject({
      exitCode: 2,
      stderr:
        'certs: error: certs account rotate: 2 CAs are configured: say which is meant\n' +
        `certs: hint: certs account rotate ${host}\n` +
        'certs: hint: certs account rotate acme-v02.api.letsencrypt.org\n',
    })
    for (const ca of ['letsencrypt', 'acme-v02.api.letsencrypt.org']) {
      const { exitCode, stderr } = await place.certs(`account rotate ${ca} --yes`)
      expect(exitCode).toBe(1)
      expect(stderr).toContain('there is no account at https://acme-v02.api.letsencrypt.org/directory whose')
    }
    for (const ca of [host, place.proxy.directory]) {
      expect(await place.certs(`account rotate ${ca} --yes`)).toMatchObject({ exitCode: 0 })
    }
    await writeFile(file, config)
  })

  test('an account of another binding is left alone, and named where there is none of this one', async () => {
    const before = await account()
    const file = join(place.state, '../certs.config.ts')
    const config = await readFile(file, 'utf8')
    await writeFile(join(place.state, '../hmac'), 'c2VjcmV0LXNlY3JldC1zZWNyZXQ', { mode: 0o600 })
    await writeFile(
      file,
      config.replace(/directory:|"directory":/, `eab: { kid: 'kid-2', hmac: { file: 'hmac' } }, $&`),
    )
    const { exitCode, stderr } = await place.certs('account rotate --yes')
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr:
        `certs: error: there is no account at ${place.proxy.directory} with eab kid-2 whose key could be changed\n` +
        'certs: hint: make one: certs account create\n' +
        `certs: hint: the state has accounts at ${place.proxy.directory}\n`,
    })
    await writeFile(file, config)
    expect(await account()).toEqual(before)
    await rm(join(place.state, '../hmac'))
  })
})
