import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as breathe } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { handshake } from '../../deploy/verify.ts'
import type { Endpoint } from '../../src/core/node.ts'
import type { Host } from './hosts.ts'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'
import { haproxyText, otherServers, prepareApache, prepareDovecot, prepareHaproxy } from './other-servers.ts'
import { snapshotOf } from './snapshot.ts'

const live = `/etc/letsencrypt/live/${site}`
const haproxy = { name: site, port: 443 }

describe.skipIf(await skipUnless('hosts', otherServers))(
  'a node with haproxy, apache, dovecot and nginx',
  () => {
    let incident: Incident
    let sally: Host
    let endpoints: Readonly<Record<string, Endpoint>>
    const certs = (line: string) => incident.certs(line)
    beforeAll(async () => {
      incident = await startIncident({
        cdn: ['sally'],
        prepare: async (host) => {
          if (host.name !== 'sally') return
          const nginx = await readFile(join(host.rootfs, 'etc/nginx/sites-enabled/media'), 'utf8')
          await host.writeFile('etc/nginx/sites-enabled/media', nginx.replaceAll('443', '9443'))
          await prepareHaproxy(host, haproxy)
          await prepareApache(host, { name: site, port: 8443 })
          await prepareDovecot(host, site)
        },
      })
      ;[sally] = incident.cdn as [Host]
      await sally.exec(`cat ${live}/fullchain.pem ${live}/privkey.pem >/etc/haproxy/by-hand.pem
      systemctl start haproxy apache2 dovecot`)
      // As an operator begins: the path is written down, and haproxy goes on with what it has read.
      await sally.writeFile('etc/haproxy/haproxy.cfg', haproxyText(haproxy))

      const { address } = sally
      const at = (port: number): Endpoint => ({ address, port, via: 'direct' })
      endpoints = {
        haproxy: at(443),
        apache: at(8443),
        nginx: at(9443),
        dovecot: { ...at(143), starttls: 'imap' },
      }
      const services = {
        haproxy: {},
        apache: { endpoints: [{ port: 8443 }] },
        dovecot: { endpoints: [address, `${address}:143`] },
        nginx: { endpoints: [{ port: 9443 }] },
      }
      const nodes = { ...incident.config.nodes, sally: { address, groups: ['cdn'], services } }
      await incident.writeConfig('certs.config.ts', { ...incident.config, nodes })
    }, 60_000)
    afterAll(async () => incident?.[Symbol.asyncDispose]())

    /** The leaf at each endpoint by its fingerprint, and that of live. */
    async function serves(): Promise<Record<string, string | undefined>> {
      const asked = Object.entries(endpoints).map(async ([name, endpoint]) => {
        const { leaf, error } = await handshake(endpoint, site)
        return [name, leaf?.fingerprint ?? error] as const
      })
      return Object.fromEntries(await Promise.all(asked))
    }
    const all = (fingerprint: string | undefined) =>
      Object.fromEntries(Object.keys(endpoints).map((name) => [name, fingerprint]))

    async function liveNumber(): Promise<string> {
      return (await sally.exec(`readlink ${live}/cert.pem`)).match(/\d+/)![0]
    }

    async function fingerprintIn(file: string): Promise<string> {
      const pem = await sally.exec(`cat ${live}/${file}.pem`)
      return new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase()
    }

    test('gets a new version in all of them by one rollout, also the file that haproxy lacked', async () => {
      const ran = await certs(`rollout ${site}`)
      expect(ran, ran.stderr).toMatchObject({ exitCode: 0 })
      expect(ran.stdout).toContain('verified at 5 endpoints, probes answered')
      expect(ran.stderr).toContain('sally: haproxy, apache, dovecot and nginx reloaded')
      expect(await serves()).toEqual(all(await fingerprintIn('combined')))
      expect(await sally.exec(`stat -L -c '%a %U' ${live}/combined.pem`)).toBe('600 root\n')
      expect((await certs('plan')).stdout).toMatch(/^No changes\./)
    })

    test('is blocked by a broken haproxy.cfg, in the words of haproxy, before anything is ordered or changed', async () => {
      const before = await snapshotOf(sally)
      await sally.exec('echo nonsense >>/etc/haproxy/haproxy.cfg')
      const { exitCode, stderr } = await certs(`rollout ${site} --force-renew`)
      expect(exitCode).toBe(1)
      expect(stderr).toContain(
        'sally: haproxy -c -f /etc/haproxy/haproxy.cfg already fails, before any change of ours',
      )
      expect(stderr).toContain("unknown keyword 'nonsense'")
      await sally.writeFile('etc/haproxy/haproxy.cfg', haproxyText(haproxy))
      expect(await snapshotOf(sally)).toBe(before)
    })

    test('is back on the former version everywhere when one of them fails to reload', async () => {
      const former = await fingerprintIn('fullchain')
      const number = await liveNumber()
      // Dovecot comes after two that have then been reloaded.
      await sally.exec(`mkdir -p /etc/systemd/system/dovecot.service.d
      printf '[Service]\\nExecReload=\\nExecReload=/bin/sh -c "readlink ${live}/cert.pem | grep -q cert${number}.pem && exec doveadm reload"\\n' >/etc/systemd/system/dovecot.service.d/picky.conf
      systemctl daemon-reload`)
      const { exitCode, stderr } = await certs(`rollout ${site} --force-renew`)
      await sally.exec('rm -r /etc/systemd/system/dovecot.service.d; systemctl daemon-reload')
      expect(exitCode).toBe(1)
      expect(stderr).toContain('certs: error: sally: systemctl reload dovecot failed (exit 1)')
      expect(stderr).toContain(
        `certs: hint: live was switched back to version ${number} and what had been reloaded was reloaded with it`,
      )
      await expect.poll(serves, { timeout: 5_000 }).toEqual(all(former))
      expect(await fingerprintIn('combined')).toBe(former)
    })

    test('goes back in all of them when a URL can not be fetched through one', async () => {
      const former = await fingerprintIn('fullchain')
      await sally.exec('mv /var/www/health.png /var/www/away.png')
      const { exitCode, stderr } = await certs(`rollout ${site} --force-renew`)
      await sally.exec('mv /var/www/away.png /var/www/health.png')
      expect(exitCode).toBe(1)
      expect(stderr).toContain(`probe of https://${site}/health.png failed: at ${sally.address}:8443, 404 `)
      expect(stderr).toMatch(/live was switched back to version \d+, and verified by handshake/)
      expect(await serves()).toEqual(all(former))
    })

    test('goes forward and back, and never shows a reader of the one file two versions, or none', async () => {
      const path = join(sally.rootfs, live, 'combined.pem')
      const state = { reading: true, reads: 0, versions: new Set<string>() }
      const reader = async () => {
        while (state.reading) {
          const text = await readFile(path, 'utf8')
          const leaf = new X509Certificate(text)
          expect(leaf.checkPrivateKey(createPrivateKey(text))).toBe(true)
          state.versions.add(leaf.fingerprint256)
          state.reads += 1
          await breathe()
        }
      }
      const number = await liveNumber()
      const reading = reader()
      const forward = await certs(`rollout ${site} --force-renew`)
      expect(forward, forward.stderr).toMatchObject({ exitCode: 0 })
      const newest = await fingerprintIn('combined')
      expect(await serves()).toEqual(all(newest))
      const back = await certs(`rollback ${site} --to-version ${number}`)
      expect(back, back.stderr).toMatchObject({ exitCode: 0 })
      state.reading = false
      await reading
      const former = await fingerprintIn('combined')
      expect(former).not.toBe(newest)
      expect(await serves()).toEqual(all(former))
      expect(state.versions.size).toBe(2)
      expect(state.reads).toBeGreaterThan(500)
    })
  },
)
