import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { statusOf as statusAt } from '../support/pebble-status.ts'
import { type Controller, controllerMissing, startController } from './controller.ts'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'
import type { Pebble } from './pebble.ts'

const missing = await controllerMissing()
if (missing) console.warn(`revocation: skipped: ${missing}`)

/** What the CA says of a stored version. */
async function statusOf(pebble: Pebble, state: string, name: string, number: number): Promise<string> {
  return statusAt(pebble, await readFile(join(state, 'archive', name, `cert${number}.pem`), 'utf8'))
}

describe.skipIf(missing)('certs revoke', () => {
  const name = 'media.hachyderm.io'
  let controller: Controller
  beforeAll(async () => {
    controller = await startController({ zones: { 'hachyderm.io': {} }, certificates: { [name]: {} } })
    expect(await controller.certs(`rollout ${name}`)).toMatchObject({ exitCode: 0 })
  })
  afterAll(async () => controller?.[Symbol.asyncDispose]())

  const status = (number: number) => statusOf(controller.pebble, controller.state, name, number)
  const blocked = () => readdir(join(controller.state, 'documents', 'blocked-keys')).catch(() => [])

  test.each([
    ['', '--version N is missing'],
    ['--version 1', '--reason REASON is missing'],
    ['--version 1 --reason boredom', '--reason "boredom" is not known'],
    ['--version x --reason superseded', '--version "x" is not a version number'],
    ['--version 1 --reason superseded', 'this is no terminal, so nobody can be asked'],
    ['--version 9 --reason superseded --yes', `version 9 of ${name} is not stored in`],
  ])('%s: says what is wrong, and changes nothing', async (options, said) => {
    const { exitCode, stderr } = await controller.certs(`revoke ${name} ${options}`)
    expect(stderr).toContain(said)
    expect(exitCode).not.toBe(0)
    expect(await blocked()).toEqual([])
    expect(await status(1)).toBe('Valid')
  })

  test('when there is no replacement, nothing is revoked; the key is blocked, and the next run goes on', async () => {
    controller.proxy.fault('newOrder', {
      do: 'answer',
      status: 403,
      headers: { 'content-type': 'application/problem+json' },
      body: JSON.stringify({ type: 'urn:ietf:params:acme:error:unauthorized', detail: 'not today' }),
    })
    const failed = await controller.certs(`revoke ${name} --version 1 --reason keyCompromise --yes`)
    expect(failed.exitCode).toBe(1)
    expect(failed.stderr).toContain(`version 1 of ${name} was not revoked: not every node is proved right`)
    expect(await status(1)).toBe('Valid')
    expect(await blocked()).toHaveLength(1)

    controller.proxy.reset()
    const { exitCode, stdout, stderr } = await controller.certs(
      `revoke ${name} --version 1 --reason superseded --yes`,
    )
    expect(exitCode, stderr).toBe(0)
    expect(stdout).toContain(`Version 1 of ${name} is revoked (keyCompromise).\n`)
    expect(await status(1)).toBe('Revoked 1')
    expect(await status(2)).toBe('Valid')
    const history = await controller.certs('history')
    expect(history.stdout).toContain(`blocked the key of version 1 of ${name} for ever`)
    expect(history.stdout).toContain(`revoked version 1 of ${name}`)
  })

  test('again is success, and changes nothing', async () => {
    const orders = controller.proxy.count('newOrder')
    expect(await controller.certs(`revoke ${name} --version 1 --reason keyCompromise --yes`)).toMatchObject({
      exitCode: 0,
    })
    expect(controller.proxy.count('newOrder')).toBe(orders)
    expect(await blocked()).toHaveLength(1)
  })

  test('a blocked version is not rolled out, not even by force', async () => {
    const { exitCode, stdout, stderr } = await controller.certs(`rollout ${name} --to-version 1 --force`)
    expect(exitCode).toBe(1)
    expect(stdout + stderr).toContain(
      `version 1 of ${name} is never rolled out again: its key was blocked at`,
    )
  })

  test('--no-replacement revokes at once; the next plan replaces', async () => {
    const line = `revoke ${name} --version 2 --reason cessationOfOperation --no-replacement --yes --json`
    const { exitCode, stdout } = await controller.certs(line)
    expect(exitCode).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      certificate: name,
      number: 2,
      reason: 'cessationOfOperation',
      revoked: true,
    })
    expect(await status(2)).toBe('Revoked 5')
    expect((await controller.certs('plan')).stdout).toContain(
      'issue version 3, because the key of version 2 is blocked (cessationOfOperation)',
    )
  })

  test('without the account that ordered it, the key of the certificate itself revokes', async () => {
    expect(await controller.certs(`rollout ${name}`)).toMatchObject({ exitCode: 0 })
    await rm(join(controller.state, 'documents', 'accounts'), { recursive: true })
    const { exitCode, stderr } = await controller.certs(
      `revoke ${name} --version 3 --reason keyCompromise --no-replacement --yes`,
    )
    expect(exitCode, stderr).toBe(0)
    expect(await status(3)).toBe('Revoked 1')
    expect(await readdir(join(controller.state, 'documents', 'accounts')).catch(() => [])).toEqual([])
  })

  test('another account than the one that ordered it: the same', async () => {
    // Registers a new account.
    expect(await controller.certs(`rollout ${name}`)).toMatchObject({ exitCode: 0 })
    await rm(join(controller.state, 'documents', 'accounts'), { recursive: true })
    expect(await controller.certs(`rollout ${name} --force-renew`)).toMatchObject({ exitCode: 0 })
    const { exitCode, stderr } = await controller.certs(
      `revoke ${name} --version 4 --reason keyCompromise --yes`,
    )
    expect(exitCode, stderr).toBe(0)
    expect(await status(4)).toBe('Revoked 1')
  })
})

describe.skipIf(await skipUnless('hosts'))('revoking what real nodes serve', () => {
  let incident: Incident
  beforeAll(async () => {
    incident = await startIncident({ cdn: ['cdn-frankfurt-1', 'sally'], pebble: { PEBBLE_AUTHZREUSE: '0' } })
    expect(await incident.certs(`rollout ${site}`)).toMatchObject({ exitCode: 0 })
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  const status = (number: number) => statusOf(incident.pebble, incident.state, site, number)
  const revoke = () => incident.certs(`revoke ${site} --version 3 --reason keyCompromise --yes`)

  test('one node that can not be changed keeps it from being revoked; mended, every node has another key first', async () => {
    const [first, second] = incident.cdn
    await second!.exec('echo nonsense > /etc/nginx/conf.d/broken.conf')
    const halted = await revoke()
    expect(halted.exitCode).toBe(1)
    expect(halted.stderr).toContain(`version 3 of ${site} was not revoked`)
    expect(await status(3)).toBe('Valid')

    await second!.exec('rm /etc/nginx/conf.d/broken.conf')
    const done = await revoke()
    expect(done, done.stderr).toMatchObject({ exitCode: 0 })
    expect(await status(3)).toBe('Revoked 1')
    expect(await incident.certs(`verify ${site}`)).toMatchObject({ exitCode: 0 })
    for (const host of [first!, second!]) {
      expect(await host.exec(`readlink /etc/letsencrypt/live/${site}/cert.pem`)).toContain('cert4.pem')
    }
    const back = await incident.certs(`rollback ${site} --to-version 3 --force`)
    expect(back.exitCode).toBe(1)
    expect(back.stdout + back.stderr).toContain(`version 3 of ${site} is never rolled out again`)
  })
})
