import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Audit } from '../../src/core/audit.ts'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'
import { makeMess } from './mess.ts'
import { ordersAt, snapshotOf } from './snapshot.ts'

describe.skipIf(await skipUnless('hosts'))('an audit of the mess that the incident left', () => {
  let incident: Incident
  beforeAll(async () => {
    incident = await startIncident({ cdn: ['cdn-frankfurt-1', 'cdn-fremont-1', 'sally'] })
    await makeMess(incident)
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  test('says in the order of urgency what is wrong on which node and what to do, and changes nothing', async () => {
    const before = await Promise.all(incident.cdn.map(snapshotOf))
    const { exitCode, stdout, stderr } = await incident.certs('audit --json')
    expect(exitCode, stderr).toBe(1)
    const audit = JSON.parse(stdout) as Audit
    const said = audit.findings.map(
      ({ level, kind, where }) => `${level} ${kind} ${[...new Set(where.map(({ node }) => node))].join(' ')}`,
    )
    expect(said).toEqual([
      'wrong unexpected-file cdn-fremont-1',
      'wrong expired cdn-frankfurt-1 cdn-fremont-1 sally',
      'wrong readable-key cdn-fremont-1',
      'tidy unmanaged sally',
      'tidy rival sally',
      'tidy copy fritz',
      'tidy orphan sally',
    ])
    expect(audit.findings[0]).toMatchObject({
      message: `nginx serves ${site} from /etc/nginx/ssl/media.pem: no rollout reaches that`,
      hints: [expect.stringContaining('in /etc/nginx/snippets/tls.conf:1: ssl_certificate ')],
    })
    expect(audit.names.map(({ name, leads }) => `${name} ${leads}`)).toEqual([
      'dead.hachyderm.io nowhere',
      'files.hachyderm.io here',
      'gone.hachyderm.io elsewhere',
      `${site} here`,
    ])
    expect(stdout).not.toContain('PRIVATE KEY')
    expect(await Promise.all(incident.cdn.map(snapshotOf))).toEqual(before)
  })

  test('what it says to do, done, leaves nothing to do', async () => {
    const fremont = incident.lab.host('cdn-fremont-1')
    const { stdout } = await incident.certs('audit --json')
    const [copy, , readable] = (JSON.parse(stdout) as Audit).findings
    const [, file, directives] = /^in (\S+):\d+: (.*)$/.exec(copy!.hints[0]!)!
    await fremont.exec(`printf '%s\\n' '${directives}' >${file}`)
    for (const command of [...copy!.commands, ...readable!.commands]) await fremont.exec(command)
    expect(await incident.certs(`rollout ${site}`)).toMatchObject({ exitCode: 0 })
    const again = await incident.certs('audit')
    expect(again.stdout).not.toContain('To do now')
    expect(again.stdout).toMatch(/nothing to do now, \d to tidy up\. Nothing is wrong\.\n$/)
    expect(again.exitCode).toBe(0)
  })

  test('proposes a configuration that loads, and plans what is served and still leads here', async () => {
    const wrote = await incident.certs('audit --write-config proposal.config.ts')
    expect(wrote.stdout).toContain(
      `Wrote ${join(incident.lab.folder, 'proposal.config.ts')} with 1 new certificate.`,
    )
    const text = await readFile(join(incident.lab.folder, 'proposal.config.ts'), 'utf8')
    const plan = await incident.certs('plan --config proposal.config.ts')
    expect(plan.stderr).toContain('would lose 1 of 2 names served now on 1 node: gone.hachyderm.io')
    expect(plan.stdout).toMatch(/files\.hachyderm\.io\n {2}\+ issue version 2/)
    expect(plan.stdout).not.toContain('gone.hachyderm.io')
    expect(text).toContain('// Without gone.hachyderm.io: it leads to 192.0.2.99; where it is served, ')
    const twice = await incident.certs('audit --write-config proposal.config.ts')
    expect(twice).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('it exists already') })
    expect(await readFile(join(incident.lab.folder, 'proposal.config.ts'), 'utf8')).toBe(text)

    const rolled = await incident.certs('rollout files.hachyderm.io --config proposal.config.ts --force')
    expect(rolled.exitCode, rolled.stdout + rolled.stderr).toBe(0)
    expect(ordersAt(incident.pebble)).toBe(2)
  })

  test('says which node it could not look at, and goes on with the others', async () => {
    await incident.lab.host('sally').exec('systemctl stop ssh')
    const { exitCode, stdout } = await incident.certs('audit')
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/1\. a node could not be looked at\n +sally {2}sally: connect to \S+ failed/)
    expect(stdout).toMatch(/\n3 of 4 nodes, /)
  })
})
