import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { site, startIncident, type Incident } from '../lab/incident.ts'
import { skipUnless } from '../lab/machine.ts'

describe.skipIf(await skipUnless('hosts'))('a version that a person rolled back', () => {
  let incident: Incident
  beforeAll(async () => {
    incident = await startIncident({ cdn: ['cdn-frankfurt-1', 'sally'] })
    // Versions 3 and 4; the archive of the nodes holds 1 and 2.
    expect(await incident.certs('renew --now')).toMatchObject({ exitCode: 0 })
    expect(await incident.certs(`rollout ${site} --force-renew`)).toMatchObject({ exitCode: 0 })
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  const live = async () =>
    Promise.all(
      incident.cdn.map(async (host) =>
        Number(
          /privkey(\d+)/.exec(await host.exec(`readlink /etc/letsencrypt/live/${site}/privkey.pem`))?.[1],
        ),
      ),
    )

  test('is not brought back by renew or apply, which say so; rollout brings it back', async () => {
    expect(await incident.certs('renew --now')).toEqual({ exitCode: 0, stdout: '', stderr: '' })
    expect(await incident.certs(`rollback ${site} --node sally`)).toMatchObject({ exitCode: 0 })
    expect(await live()).toEqual([4, 3])

    const renewed = await incident.certs('renew --now')
    expect(renewed).toMatchObject({ exitCode: 0, stderr: '' })
    expect(renewed.stdout).toMatch(
      /^media\.hachyderm\.io: sally held: version 4 was rolled back at .* UTC; version 4 does not come back by itself; to bring it: certs rollout media\.hachyderm\.io\n$/,
    )
    expect(await incident.certs('apply --yes')).toMatchObject({ exitCode: 0 })
    expect(await live()).toEqual([4, 3])
    expect((await incident.certs('status')).stdout).toMatch(/sally .*held: version 4 was rolled back/)

    expect(await incident.certs(`rollout ${site}`)).toMatchObject({ exitCode: 0 })
    expect(await live()).toEqual([4, 4])
    expect(await incident.certs('renew --now')).toEqual({ exitCode: 0, stdout: '', stderr: '' })
  })

  test('gives way to a newer one', async () => {
    expect(await incident.certs(`rollback ${site}`)).toMatchObject({ exitCode: 0 })
    expect(await live()).toEqual([3, 3])
    expect(await incident.certs('renew --now')).toMatchObject({ exitCode: 0 })
    expect(await live()).toEqual([3, 3])
    // Another key type is due at once.
    const certificates = { [site]: { ...incident.config.certificates[site], key: 'ecdsa-p384' } }
    const config = await incident.writeConfig('newer.config.ts', { ...incident.config, certificates })
    expect(await incident.certs(`renew --now --config ${config}`)).toMatchObject({ exitCode: 0 })
    expect(await live()).toEqual([5, 5])
  })
})
