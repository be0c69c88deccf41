import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PruneBackup, PrunePlan } from '../../src/core/prune.ts'
import type { Host } from './host.ts'
import { coreName, site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'
import { makeMess } from './mess.ts'

const cdn = ['cdn-frankfurt-1', 'cdn-fremont-1', 'sally']

describe.skipIf(await skipUnless('hosts'))('what the incident left that nobody uses', () => {
  let incident: Incident
  let sally: Host
  beforeAll(async () => {
    incident = await startIncident({ cdn })
    await makeMess(incident)
    sally = incident.lab.host('sally')
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  const hosts = () => [...incident.cdn, incident.lab.host(coreName)]
  /** Every file and link that could be touched, with bytes, mode, owner and when it was written; folders without that. */
  const trees = async (): Promise<string[]> =>
    Promise.all(
      hosts().map((host) =>
        host.exec(`cd / && find etc/letsencrypt etc/nginx root -type d -printf '%p %m %U:%G\\n' 2>/dev/null | sort
          find etc/letsencrypt etc/nginx root ! -type d -printf '%p %y %m %U:%G %s %T@ %l\\n' 2>/dev/null | sort
          find etc/letsencrypt etc/nginx root -type f -exec sha256sum {} + 2>/dev/null | sort -k2`),
      ),
    )
  const plan = async (line = ''): Promise<PrunePlan> => {
    const { stdout, stderr } = await incident.certs(`prune --json ${line}`)
    expect(stderr).not.toContain('error')
    return JSON.parse(stdout) as PrunePlan
  }
  const said = ({ nodes }: PrunePlan) => ({
    goes: nodes.flatMap(({ node, items }) => items.map(({ kind, label }) => `${node} ${kind} ${label}`)),
    stays: nodes.flatMap(({ node, stays }) =>
      stays.map(({ label, because }) => `${node} ${label}: ${because}`),
    ),
  })
  const copies = '/root/archive/fullchain2.pem, /root/archive/privkey2.pem'
  const old = '/etc/letsencrypt/{live,archive}/old.hachyderm.io'
  const first = `/etc/letsencrypt/archive/${site} (version 1)`

  test('is shown with its reason, and nothing is changed by that', async () => {
    const before = await trees()
    expect(said(await plan())).toEqual({
      goes: [`sally orphan ${old}`, `${coreName} copy ${copies}`],
      stays: [],
    })
    expect(said(await plan('--keep 1')).goes).toEqual([
      ...cdn.slice(0, 2).map((node) => `${node} old-version ${first}`),
      `sally orphan ${old}`,
      `sally old-version ${first}`,
      `${coreName} copy ${copies}`,
    ])
    const shown = await incident.certs('prune --node sally')
    expect(shown.stdout).toMatch(
      /- \S+old\.hachyderm\.io \(10 files, with its renewal\): certificate and key of old\.hachyderm\.io, expired 110 days ago\n +because nothing in nginx reads it, and no other/,
    )
    expect(shown.stdout).toMatch(/Nothing was changed. To do it: certs prune --node sally --apply\n$/)
    expect(await trees()).toEqual(before)
  })

  test('stays where another service names it', async () => {
    await sally.exec(
      `mkdir -p /etc/exim4 && echo "tls_privatekey = /etc/letsencrypt/live/old.hachyderm.io/privkey.pem" >/etc/exim4/tls.conf`,
    )
    const { stays } = said(await plan('--node sally'))
    expect(stays).toEqual([`sally ${old}: /etc/exim4/tls.conf:1 names it`])
    await sally.exec('rm -r /etc/exim4')
  })

  test('goes into backups, nginx serves on, and everything comes back byte for byte', async () => {
    const before = await trees()
    const done = await incident.certs('prune --keep 1 --apply --yes')
    expect(done, done.stderr).toMatchObject({ exitCode: 0 })
    const [, id = ''] =
      /sally: 2 went into backup (\S+)\.\n {2}to bring all of it back: certs prune --restore \S+ --node sally\n/.exec(
        done.stdout,
      ) ?? []
    expect(id).not.toBe('')
    expect(said(await plan('--keep 1'))).toEqual({ goes: [], stays: [] })
    for (const host of hosts()) await host.exec('nginx -t && systemctl reload nginx')
    expect((await sally.exec('ls /etc/letsencrypt/live /etc/letsencrypt/renewal')).split('\n')).toEqual(
      expect.not.arrayContaining(['old.hachyderm.io', 'old.hachyderm.io.conf']),
    )
    expect((await incident.certs('audit --json')).stdout).not.toContain('/pruned/')
    expect((await incident.certs('history')).stdout).toContain(
      `moved ${old} (certificate and key of old.hachyderm.io, expired 110 days ago) on sally into backup ${id}, because nothing in nginx reads it`,
    )

    const listed = await incident.certs('prune --backups --json')
    const { backups } = JSON.parse(listed.stdout) as { backups: PruneBackup[] }
    expect(backups.map(({ node, files }) => `${node} ${files}`).toSorted()).toEqual(
      [...cdn.slice(0, 2).map((node) => `${node} 4`), `sally 14`, `${coreName} 2`].toSorted(),
    )
    const back = await incident.certs(`prune --restore ${id}`)
    expect(back, back.stderr).toMatchObject({ exitCode: 0 })
    expect(back.stdout).toContain(`sally: 14 files of backup ${id} are back where they were.\n`)
    expect(await trees()).toEqual(before)
    expect((await incident.certs('prune --backups')).stdout).toBe('There are no backups.\n')
  })

  test('is gone for good when its backup is discarded', async () => {
    const done = await incident.certs('prune old.hachyderm.io --apply --yes --json')
    const { results } = JSON.parse(done.stdout) as { results: { node: string; backup: string }[] }
    expect(results).toMatchObject([{ node: 'sally', gone: [old], kept: [] }])
    const id = results[0]!.backup
    const unasked = await incident.certs(`prune --discard ${id}`)
    expect(unasked).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('nobody can be asked') })
    const gone = await incident.certs(`prune --discard ${id} --node sally --yes`)
    expect(gone.stdout).toContain(`sally: 10 files of backup ${id} are gone for good.\n`)
    const again = await incident.certs(`prune --restore ${id}`)
    expect(again.stderr).toContain(`there is no backup ${id} on these 4 nodes`)
    expect((await sally.tryExec('ls /etc/letsencrypt/pruned')).exitCode).not.toBe(0)
  })

  test('stays where nginx can not say what it reads, and the plan says so', async () => {
    const frankfurt = incident.lab.host('cdn-frankfurt-1')
    await frankfurt.writeFile('etc/nginx/sites-enabled/broken', 'server { listen 80; nonsense; }\n')
    const { stdout, exitCode } = await incident.certs('prune --keep 1 --node cdn-frankfurt-1')
    expect(exitCode).toBe(0)
    expect(stdout).toContain('nothing goes: nginx -t fails, so who reads the files is not known\n')
    expect(stdout).toContain(
      '→ mend its configuration on cdn-frankfurt-1, then: certs prune --node cdn-frankfurt-1\n',
    )
  })
})
