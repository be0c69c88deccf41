import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bringAbout, nodeFaults, worldFaults } from './faults.ts'
import { get } from './https-get.ts'
import type { Host } from './hosts.ts'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'
import { ordersAt, snapshotOf } from './snapshot.ts'

const url = `https://${site}/health.png`

describe.skipIf(await skipUnless('hosts'))('a rollout that can not succeed', () => {
  let incident: Incident
  let sally: Host
  beforeAll(async () => {
    incident = await startIncident({ cdn: ['cdn-frankfurt-1', 'sally'] })
    sally = incident.lab.host('sally')
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  test.each([...nodeFaults, ...worldFaults])(
    'says why and what next, and changes nothing: $what',
    async (fault) => {
      const zone = await incident.named.dump('hachyderm.io')
      const orders = ordersAt(incident.pebble)
      await using faulty = await bringAbout(fault, incident, sally)
      const before = await snapshotOf(sally)
      const env = { CERTS_CONFIG: faulty.configFile }
      const { stdout, stderr, exitCode } = await incident.certs(`rollout ${site} --node sally`, { env })
      const said = stdout + stderr
      for (const words of fault.says) expect(said).toMatch(words)
      expect(exitCode).toBe(fault.exitCode)
      expect(said).not.toContain('this is a bug')
      expect(await snapshotOf(sally)).toBe(before)
      expect(await incident.named.dump('hachyderm.io')).toEqual(zone)
      expect(ordersAt(incident.pebble)).toBe(orders)
    },
  )

  test('on one node is done on the others, and still fails', async () => {
    await sally.exec('echo "nonsense;" >/etc/nginx/conf.d/broken.conf')
    const before = await snapshotOf(sally)
    const { stdout, exitCode } = await incident.certs(`rollout ${site}`)
    expect(stdout).toMatch(/cdn-frankfurt-1 +done +2 → 3/)
    expect(stdout).toMatch(/sally +\S.*nginx -t already fails/)
    expect(exitCode).toBe(1)
    expect(await snapshotOf(sally)).toBe(before)
  })

  test('can, once the node is mended: with the same version, and noise in .bashrc', async () => {
    await sally.exec('rm /etc/nginx/conf.d/broken.conf')
    await sally.exec('echo "echo -n welcome; stty -a; printf \'\\033[2J\'" >/root/.bashrc')
    const { stdout, exitCode } = await incident.certs(`rollout ${site}`)
    expect(stdout).toMatch(/sally +done +2 → 3/)
    expect(exitCode).toBe(0)
    expect(ordersAt(incident.pebble)).toBe(1)
    expect((await image(sally)).body).toEqual(incident.picture)
  })

  test('is undone when nginx -t fails because of the new files: no reload, and no other node is touched', async () => {
    const [canary, second] = incident.cdn as [Host, Host]
    // For a name that is not ours, so that nobody can know of it beforehand.
    const pinned = `server { listen 443 ssl; server_name pinned.example;
      ssl_certificate /etc/letsencrypt/live/${site}/fullchain.pem;
      ssl_certificate_key /etc/letsencrypt/archive/${site}/privkey3.pem; }`
    const pin = `echo '${pinned}' >/etc/nginx/sites-enabled/pinned`
    await canary.exec(`${pin} && nginx -t && systemctl reload nginx
      while [ $(pgrep -xc nginx) -gt 3 ]; do sleep 0.05; done`)
    const look = `readlink /etc/letsencrypt/live/${site}/*.pem; pgrep -x nginx`
    const before = [await canary.exec(look), await snapshotOf(second)]

    const { stdout, stderr, exitCode } = await incident.certs(`rollout ${site} --force-renew`)
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/cdn-frankfurt-1 +failed/)
    expect(stdout).toMatch(/sally +not run/)
    expect(stderr).toContain('cdn-frankfurt-1: nginx -t failed')
    expect(stderr).toContain('key values mismatch')
    expect(stderr).toContain('live was switched back to version 3')
    expect([await canary.exec(look), await snapshotOf(second)]).toEqual(before)
    expect((await image(canary)).body).toEqual(incident.picture)

    await canary.exec('rm /etc/nginx/sites-enabled/pinned')
    const again = await incident.certs(`rollout ${site}`)
    expect(again, again.stderr).toMatchObject({ exitCode: 0 })
    expect(ordersAt(incident.pebble)).toBe(2)
  })

  test('works as deploy by sudo, with fish as the login shell', async () => {
    await sally.exec('usermod -s "$(command -v fish || echo /bin/bash)" deploy')
    const config = { ...incident.config, ssh: { ...incident.config.ssh, user: 'deploy', sudo: true } }
    const env = { CERTS_CONFIG: await incident.writeConfig('deploy.config.ts', config) }
    const { stdout, stderr, exitCode } = await incident.certs(`rollout ${site} --force-renew`, { env })
    expect(exitCode, stderr).toBe(0)
    expect(stdout).toMatch(/sally +done +4 → 5/)
  })

  async function image(host: Host): ReturnType<typeof get> {
    return get(url, { address: host.address, roots: incident.pebble.roots() })
  }
})
