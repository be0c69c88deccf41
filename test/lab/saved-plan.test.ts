import { access, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Host } from './hosts.ts'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'
import { ordersAt, snapshotOf } from './snapshot.ts'

const live = `/etc/letsencrypt/live/${site}`
const other = 'files.hachyderm.io'

// One evening told in order: each test goes on where the one before ended.
describe.skipIf(await skipUnless('hosts'))('a plan that was saved', () => {
  let incident: Incident
  let sally: Host
  let file: string
  beforeAll(async () => {
    incident = await startIncident({ cdn: ['cdn-frankfurt-1', 'sally'] })
    sally = incident.lab.host('sally')
    file = join(incident.lab.folder, 'tonight.json')
    const config = { ...incident.config, certificates: { ...incident.config.certificates, [other]: {} } }
    await incident.writeConfig('certs.config.ts', config)
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  const apply = () => incident.certs(`apply --plan ${file} --yes`)
  const snapshots = () => Promise.all(incident.cdn.map(snapshotOf))

  /** It says what changed, and touched nothing: no node, no DNS, no CA. */
  async function expectRefused(...changes: string[]): Promise<void> {
    const before = { nodes: await snapshots(), orders: ordersAt(incident.pebble) }
    const zone = await incident.named.dump('hachyderm.io')
    const { exitCode, stdout, stderr } = await apply()
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toContain(`certs: error: the plan in ${file} is not carried out: `)
    for (const change of changes) expect(stderr).toContain(`    ${change}`)
    expect(stderr).toContain(`save it again: certs plan ${site} --out ${file}\n`)
    expect({ nodes: await snapshots(), orders: ordersAt(incident.pebble) }).toEqual(before)
    expect(await incident.named.dump('hachyderm.io')).toEqual(zone)
  }

  test('is in a file of its owner alone, without a secret, and nothing else was written', async () => {
    const before = await snapshots()
    const { exitCode, stdout } = await incident.certs(`plan ${site} --out tonight.json --exit-code`)
    expect(exitCode).toBe(3)
    expect(stdout).toContain(`\nSaved to ${file}. To do just this: certs apply --plan ${file}\n`)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const text = await readFile(file, 'utf8')
    const key = await sally.exec(`sed 1d ${live}/privkey.pem`)
    for (const secret of [incident.named.tsig.secret, ...key.split('\n').slice(0, 2)]) {
      expect(secret.length).toBeGreaterThan(20)
      expect(text).not.toContain(secret)
    }
    expect(await snapshots()).toEqual(before)
    await expect(access(incident.state)).rejects.toThrow('ENOENT')
  })

  test('is refused when somebody changed a node in between', async () => {
    await sally.exec(`cd ${live} && for k in privkey cert chain fullchain; do
      ln -sf ../../archive/${site}/\${k}1.pem $k.pem; done`)
    await expectRefused(`sally: live/${site} was version 2 (`)
    await sally.exec(`cd ${live} && for k in privkey cert chain fullchain; do
      ln -sf ../../archive/${site}/\${k}2.pem $k.pem; done`)
  })

  test('is refused when a node can not be reached any more', async () => {
    await sally.exec('systemctl stop ssh')
    await expectRefused('sally: over SSH was reached; it is not reached')
    await sally.exec('systemctl start ssh')
  })

  test('is done when all is as it was: what it says, and not the other certificate', async () => {
    const { exitCode, stdout, stderr } = await apply()
    expect(exitCode, stderr).toBe(0)
    expect(stdout).toContain(`${site}: version 3 is on 2 of 2 nodes`)
    expect(stdout).not.toContain(other)
    expect(ordersAt(incident.pebble)).toBe(1)
    await expect(access(join(incident.state, 'live', other))).rejects.toThrow('ENOENT')
  })

  test('is not done twice', async () => {
    await expectRefused(
      `${site}: the newest stored version was none; it is 3 (`,
      `sally: live/${site} was version 2 (`,
    )
  })

  test('is not disturbed by what happens to certificates that it is not about', async () => {
    expect(await incident.certs(`plan ${site} --force-renew --out tonight.json`)).toMatchObject({
      exitCode: 0,
    })
    expect(await incident.certs(`rollout ${other}`)).toMatchObject({ exitCode: 0 })
    const { exitCode, stdout, stderr } = await apply()
    expect(exitCode, stderr).toBe(0)
    expect(stdout).toContain(`${site}: version 4 is on 2 of 2 nodes`)
    expect(ordersAt(incident.pebble)).toBe(3)
  })

  test('is refused when the configuration was changed in between', async () => {
    expect(await incident.certs(`plan ${site} --force-renew --out tonight.json`)).toMatchObject({
      exitCode: 0,
    })
    const certificates = { ...incident.config.certificates }
    certificates[site] = { ...certificates[site], names: [site, other] }
    await incident.writeConfig('certs.config.ts', { ...incident.config, certificates })
    await expectRefused(
      `in the configuration, certificates["${site}"].names was ["${site}"]; it is ["${site}","${other}"]`,
    )
    const { [site]: _, ...rest } = certificates
    await incident.writeConfig('certs.config.ts', {
      ...incident.config,
      certificates: { [other]: {}, ...rest },
    })
    const gone = await apply()
    expect(gone.exitCode).toBe(1)
    expect(gone.stderr).toContain(`in the configuration, certificates["${site}"].names is gone; it was `)
  })
})
