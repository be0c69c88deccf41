import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Host } from './host.ts'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'
import { makeMess } from './mess.ts'
import { unpackFromThisDebian } from './packages/this-debian.ts'
import { snapshotOf } from './snapshot.ts'

describe.skipIf(await skipUnless('hosts'))('what certbot renews on a node', () => {
  let incident: Incident
  let sally: Host
  beforeAll(async () => {
    incident = await startIncident({ cdn: ['cdn-frankfurt-1', 'cdn-fremont-1', 'sally'] })
    await makeMess(incident)
    sally = incident.lab.host('sally')
    await cp(await unpackFromThisDebian(['certbot']), join(sally.rootfs, 'opt/certbot'), { recursive: true })
    // As Debian's package has it; the lab's /usr is read-only.
    await sally.writeFile('etc/systemd/system/certbot.service', '[Service]\nExecStart=/bin/true\n')
    await sally.writeFile(
      'etc/systemd/system/certbot.timer',
      '[Timer]\nOnCalendar=*-*-* 00,12:00:00\n[Install]\nWantedBy=timers.target\n',
    )
    await sally.exec('systemctl daemon-reload && systemctl --quiet enable --now certbot.timer')
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  /** The lineages that real certbot would look after. */
  const known = async (): Promise<string[]> => {
    const path = '/opt/certbot/usr/lib/python3/dist-packages'
    const run = `PYTHONPATH=${path} python3 /opt/certbot/usr/bin/certbot`
    const { stdout } = await sally.tryExec(`${run} certificates`)
    const { stdout: renewed, stderr } = await sally.tryExec(
      `${run} renew --no-random-sleep-on-renew --cert-name ${site} 2>&1`,
    )
    const names = [...stdout.matchAll(/Certificate Name: (\S+)/g)].map(([, name]) => name!)
    const renews = /No certificate found with name/.test(renewed + stderr) ? [] : [site]
    return [...names.toSorted(), ...renews.map((name) => `renew ${name}`)]
  }

  test('stays with certbot as long as nothing of certs is live, and nothing is changed by looking', async () => {
    const before = await snapshotOf(sally)
    const seen = await incident.certs('nodes adopt sally')
    expect(seen, seen.stderr).toMatchObject({ exitCode: 0 })
    expect(seen.stdout).toContain(
      `= renewal/${site}.conf stays as it is: certs has no version of ${site} stored yet`,
    )
    expect(seen.stdout).toContain(`→ certs rollout ${site}\n`)
    expect(seen.stdout).toMatch(/sally: nothing to do; 3 renewal files as it is\.\n$/)
    expect(await snapshotOf(sally)).toBe(before)
  })

  test('is taken over when certs renews it, and certbot does not know it any more', async () => {
    expect(await known()).toEqual(['files.hachyderm.io', site, 'old.hachyderm.io', `renew ${site}`])
    expect(await incident.certs(`rollout ${site} --node sally`)).toMatchObject({ exitCode: 0 })
    const before = await snapshotOf(sally)
    const planned = await incident.certs('nodes adopt sally')
    expect(planned.stdout).toContain(`~ renewal/${site}.conf becomes ${site}.conf.off`)
    expect(planned.stdout).toContain(
      '= renewal/files.hachyderm.io.conf stays as it is: certs does not manage it',
    )
    expect(planned.stdout).toContain('To do it: certs nodes adopt sally --apply\n')
    expect(await snapshotOf(sally)).toBe(before)

    const adopted = await incident.certs('nodes adopt sally --apply --yes')
    expect(adopted, adopted.stderr).toMatchObject({ exitCode: 0 })
    expect(adopted.stdout).toMatch(new RegExp(`\\nsally: done: ${site}.conf → ${site}.conf.off.\\n$`))
    expect(await known()).toEqual(['files.hachyderm.io', 'old.hachyderm.io'])
    expect(await sally.exec('systemctl is-active certbot.timer')).toBe('active\n')
    expect((await incident.certs('audit --json')).stdout).not.toContain('"rival"')
    const again = await incident.certs('nodes adopt sally --apply --yes')
    expect(again).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('sally: nothing to do; ') })
    expect((await incident.certs('history')).stdout).toContain(
      `took over the renewal of ${site} on sally from certbot (renewal/${site}.conf became ${site}.conf.off), because certs renews`,
    )
  })

  test('is given back as it was', async () => {
    const back = await incident.certs('nodes adopt sally --undo --apply --yes')
    expect(back, back.stderr).toMatchObject({ exitCode: 0 })
    expect(await known()).toEqual(['files.hachyderm.io', site, 'old.hachyderm.io', `renew ${site}`])
  })

  test('leaves its timer nothing to do in the end: that is stopped, and started again by the way back', async () => {
    await sally.exec('cd /etc/letsencrypt/renewal && mkdir gone && mv files* old* gone')
    const adopted = await incident.certs('nodes adopt sally --apply --yes')
    expect(adopted.stdout).toContain('certbot.timer is inactive.\n')
    expect(adopted.stdout).toContain(`→ on sally, as root: sed -i '1s/^/# /' /etc/cron.d/renewal\n`)
    expect((await sally.tryExec('systemctl is-enabled certbot.timer')).stdout).toBe('disabled\n')
    const back = await incident.certs('nodes adopt sally --undo --apply --yes --json')
    expect(JSON.parse(back.stdout)).toMatchObject({
      outcome: 'changed',
      done: [
        { what: `${site}.conf.off`, to: `${site}.conf` },
        { what: 'certbot.timer', to: 'active' },
      ],
    })
    expect(await sally.exec('systemctl is-enabled certbot.timer')).toBe('enabled\n')
  })

  test('is a question of who may: the login must be root', async () => {
    const { config } = incident
    const nodes = { ...config.nodes, sally: { ...config.nodes!['sally']!, user: 'deploy', sudo: true } }
    const file = await incident.writeConfig('sudo.config.ts', { ...config, nodes })
    const bySudo = await incident.certs('nodes adopt sally', { env: { CERTS_CONFIG: file } })
    expect(bySudo.stdout).toContain(`~ renewal/${site}.conf becomes`)
    const asRoot = await incident.certs('nodes adopt sally --login root', { env: { CERTS_CONFIG: file } })
    expect(asRoot.stdout).toContain(`~ renewal/${site}.conf becomes`)
  })
})
