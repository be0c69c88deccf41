import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get } from './https-get.ts'
import type { Host } from './hosts.ts'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'
import { snapshotOf } from './snapshot.ts'

// These wait for deadlines of 10 to 30 s, so they wait side by side: each on nodes and with a state of its own.
describe.skipIf(await skipUnless('hosts'))('what says nothing, or says yes and does nothing', () => {
  let incident: Incident
  beforeAll(async () => {
    incident = await startIncident()
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  function rollout(state: string, ...nodes: readonly Host[]): ReturnType<Incident['certs']> {
    const only = nodes.map(({ name }) => `--node ${name}`).join(' ')
    return incident.certs(`rollout ${site} ${only}`, {
      env: { CERTS_STATE: `${incident.lab.folder}/${state}` },
    })
  }

  test.concurrent(
    'a reload that is said to be done but is not: undone, proved by handshake, the rest untouched',
    async () => {
      const [canary, second] = incident.cdn as [Host, Host]
      await canary.exec(`
      mkdir /etc/systemd/system/nginx.service.d
      printf '[Service]\\nExecReload=\\nExecReload=/bin/true\\n' >/etc/systemd/system/nginx.service.d/lie.conf
      systemctl daemon-reload`)
      const before = await snapshotOf(second)
      const { stdout, stderr, exitCode } = await rollout('lie', canary, second)
      expect(exitCode).toBe(1)
      expect(stdout).toMatch(/cdn-frankfurt-1 +failed +2 +verification failed: .* not the wanted one/)
      expect(stdout).toMatch(/cdn-fremont-1 +not run +\S+ +cdn-frankfurt-1 failed/)
      expect(stderr).toContain('hint: live was switched back to version 2, which has expired')
      expect(await canary.exec(`readlink /etc/letsencrypt/live/${site}/privkey.pem`)).toContain(
        'privkey2.pem',
      )
      await expect(
        get(`https://${site}/health.png`, { address: canary.address, roots: incident.oldRoot }),
      ).rejects.toThrow('certificate has expired')
      expect(await snapshotOf(second)).toBe(before)
    },
    90_000,
  )

  test.concurrent(
    'a black hole and a frozen node: each named with its own phase, within seconds',
    async () => {
      const [, , hole, frozen] = incident.cdn as [Host, Host, Host, Host]
      const before = [await snapshotOf(hole), await snapshotOf(frozen)]
      await hole.exec(`nft -f - <<'END'
      table inet fault { chain in { type filter hook input priority 0; tcp dport 22 drop; }; }\nEND`)
      await frozen.freeze()
      const began = performance.now()
      const { stderr, exitCode } = await rollout('silence', hole, frozen)
      expect(performance.now() - began).toBeLessThan(30_000)
      expect(exitCode).toBe(1)
      expect(stderr).toMatch(/certs: error: sally: connect to \S+ failed: no answer/)
      expect(stderr).toMatch(/certs: error: esme: ssh handshake at \S+ failed: no answer/)
      await frozen.thaw()
      await hole.exec('nft delete table inet fault')
      expect([await snapshotOf(hole), await snapshotOf(frozen)]).toEqual(before)
      expect((await rollout('silence', hole, frozen)).exitCode).toBe(0)
    },
    90_000,
  )
})
