import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { command } from './command.ts'
import { get } from './https-get.ts'
import { cdnNames, site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'

const url = `https://${site}/health.png`

describe.skipIf(await skipUnless('hosts'))('the lab at the night of the incident', () => {
  let incident: Incident
  beforeAll(async () => {
    incident = await startIncident()
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  test('has four CDN nodes that all serve an expired certificate', async () => {
    expect(incident.cdn.map((host) => host.name)).toEqual(cdnNames)
    for (const { address, address6 } of incident.cdn) {
      for (const each of [address, address6]) {
        await expect(get(url, { address: each, roots: incident.oldRoot })).rejects.toThrow(
          'certificate has expired',
        )
      }
    }
  })

  test('would show the image but for that', async () => {
    for (const { address } of incident.cdn) {
      const { status, type, body } = await get(url, { address })
      expect({ status, type, body }).toEqual({ status: 200, type: 'image/png', body: incident.picture })
    }
  })

  test('expired at 01:52, less than a day ago', async () => {
    const [host] = incident.cdn
    const read = `openssl x509 -noout -enddate -dateopt iso_8601 -in /etc/letsencrypt/live/${site}/cert.pem`
    expect(await host?.exec(read)).toBe(
      `notAfter=${incident.expiredAt.toISOString().slice(0, 10)} 01:52:00Z\n`,
    )
    expect(Date.now() - incident.expiredAt.getTime()).toBeLessThan(86_400_000)
  })

  test('has the files as certbot leaves them', async () => {
    const listing = await incident.cdn[0]?.exec(
      `cd /etc/letsencrypt && find . -mindepth 1 -printf '%M %u %p %l\\n' | sed 's/ *$//' | sort -k3`,
    )
    expect(listing).toMatchInlineSnapshot(`
      "drwx------ root ./archive
      drwxr-xr-x root ./archive/media.hachyderm.io
      -rw-r--r-- root ./archive/media.hachyderm.io/cert1.pem
      -rw-r--r-- root ./archive/media.hachyderm.io/cert2.pem
      -rw-r--r-- root ./archive/media.hachyderm.io/chain1.pem
      -rw-r--r-- root ./archive/media.hachyderm.io/chain2.pem
      -rw-r--r-- root ./archive/media.hachyderm.io/fullchain1.pem
      -rw-r--r-- root ./archive/media.hachyderm.io/fullchain2.pem
      -rw------- root ./archive/media.hachyderm.io/privkey1.pem
      -rw------- root ./archive/media.hachyderm.io/privkey2.pem
      drwx------ root ./live
      drwxr-xr-x root ./live/media.hachyderm.io
      -rw-r--r-- root ./live/media.hachyderm.io/README
      lrwxrwxrwx root ./live/media.hachyderm.io/cert.pem ../../archive/media.hachyderm.io/cert2.pem
      lrwxrwxrwx root ./live/media.hachyderm.io/chain.pem ../../archive/media.hachyderm.io/chain2.pem
      lrwxrwxrwx root ./live/media.hachyderm.io/fullchain.pem ../../archive/media.hachyderm.io/fullchain2.pem
      lrwxrwxrwx root ./live/media.hachyderm.io/privkey.pem ../../archive/media.hachyderm.io/privkey2.pem
      drwxr-xr-x root ./renewal
      -rw-r--r-- root ./renewal/media.hachyderm.io.conf
      "
    `)
  })

  test('has a site name that is a CNAME to the addresses of all nodes', async () => {
    const dig = ['dig', `@${incident.named.address}`, '+short', site]
    const both = await Promise.all(['A', 'AAAA'].map(async (type) => command([...dig, type])))
    const lines = both.flatMap(({ stdout }) => stdout.trim().split('\n'))
    expect(lines.toSorted()).toEqual(
      [
        'cdn.geo.hachyderm.io.',
        'cdn.geo.hachyderm.io.',
        ...incident.cdn.flatMap(({ address, address6 }) => [address, address6]),
      ].toSorted(),
    )
  })

  test('has an nginx that reloads when told to, and says no to a wrong key', async () => {
    const host = incident.cdn[1]
    expect(await host?.exec('nginx -t 2>&1; systemctl reload nginx; systemctl is-active nginx')).toContain(
      'test is successful\nactive\n',
    )
    const swap = `cd /etc/letsencrypt/live/${site} && ln -sf ../../archive/${site}/privkey1.pem privkey.pem`
    expect(await host?.exec(`${swap} && nginx -t 2>&1 || true`)).toContain('key values mismatch')
    await host?.exec(`${swap.replace('privkey1', 'privkey2')} && nginx -t`)
  })
})
