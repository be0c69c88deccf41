import { access, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get } from './https-get.ts'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'
import { ordersAt, snapshotOf } from './snapshot.ts'

const url = `https://${site}/health.png`

// One night told in order: each test goes on where the one before ended.
describe.skipIf(await skipUnless('hosts'))('the way out of the incident', () => {
  let incident: Incident
  let zone: readonly string[]
  let old: readonly string[]
  const said: string[] = []
  beforeAll(async () => {
    incident = await startIncident()
    zone = await incident.named.dump('hachyderm.io')
    old = await oldFiles()
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  async function certs(line: string): Promise<{ stdout: string; exitCode: number }> {
    const { stdout, stderr, exitCode } = await incident.certs(line)
    said.push(stdout, stderr)
    return { stdout, exitCode }
  }

  async function snapshots(): Promise<string[]> {
    return Promise.all([...incident.cdn, incident.core].map(snapshotOf))
  }

  /** Serial numbers of what users get, as a browser sees it, by IPv4 and IPv6. */
  async function seen(): Promise<string[]> {
    const roots = incident.pebble.roots()
    const addresses = incident.cdn.flatMap(({ address, address6 }) => [address, address6])
    const answers = await Promise.all(addresses.map((address) => get(url, { address, roots })))
    for (const { status, body } of answers)
      expect({ status, body }).toEqual({ status: 200, body: incident.picture })
    return [...new Set(answers.map(({ serial }) => serial))]
  }

  test('plan says what is wrong and what would be done, and changes nothing anywhere', async () => {
    const before = await snapshots()
    const { stdout, exitCode } = await certs('plan --exit-code')
    expect(stdout.replaceAll(/expired .* ago/g, 'expired … ago')).toMatchInlineSnapshot(`
      "media.hachyderm.io
        + issue version 3, because no version is stored here
            media.hachyderm.io: TXT _acme-challenge.media.hachyderm.io in zone hachyderm.io, by home
        ~ cdn-frankfurt-1  version 2 → 3  it serves version 2, expired … ago
        ~ cdn-fremont-1    version 2 → 3  it serves version 2, expired … ago
        ~ sally            version 2 → 3  it serves version 2, expired … ago
        ~ esme             version 2 → 3  it serves version 2, expired … ago

      Plan: 1 version to issue, 4 nodes to change: first cdn-frankfurt-1, then cdn-fremont-1, sally and esme.
      "
    `)
    expect(exitCode).toBe(3)
    expect(await snapshots()).toEqual(before)
    expect(await incident.named.dump('hachyderm.io')).toEqual(zone)
    expect(ordersAt(incident.pebble)).toBe(0)
    await expect(access(incident.state)).rejects.toThrow('ENOENT')
  })

  test('rollout brings one new version to all four nodes', async () => {
    const { stdout, exitCode } = await certs(`rollout ${site}`)
    expect(stdout.replaceAll(/until .*/g, 'until …')).toMatchInlineSnapshot(`
      "media.hachyderm.io
        NODE             RESULT  VERSION
        cdn-frankfurt-1  done    2 → 3    verified at 2 endpoints, probes answered
        cdn-fremont-1    done    2 → 3    verified at 2 endpoints, probes answered
        sally            done    2 → 3    verified at 2 endpoints, probes answered
        esme             done    2 → 3    verified at 2 endpoints, probes answered

      media.hachyderm.io: version 3 is on 4 of 4 nodes, valid until …
      "
    `)
    expect(exitCode).toBe(0)
    expect(ordersAt(incident.pebble)).toBe(1)
  })

  test('users see the image again through every node, by a certificate they trust', async () => {
    expect(await seen()).toHaveLength(1)
  })

  test('nothing is left in DNS', async () => {
    expect(await incident.named.dump('hachyderm.io')).toEqual(zone)
  })

  test('versions 1 and 2 keep their bytes, inodes and times', async () => {
    expect(await oldFiles()).toEqual(old)
  })

  test('the new files are what certbot would have left', async () => {
    for (const host of incident.cdn) {
      const listing = await host.exec(
        `cd /etc/letsencrypt && find . -mindepth 1 -printf '%M %u:%g %p %l\n' | sed 's/ *$//' | grep -E 'live/|3' | sort -k3`,
      )
      expect(listing).toMatchInlineSnapshot(`
        "-rw-r--r-- root:root ./archive/media.hachyderm.io/cert3.pem
        -rw-r--r-- root:root ./archive/media.hachyderm.io/chain3.pem
        -rw-r--r-- root:root ./archive/media.hachyderm.io/fullchain3.pem
        -rw------- root:root ./archive/media.hachyderm.io/privkey3.pem
        drwxr-xr-x root:root ./live/media.hachyderm.io
        -rw-r--r-- root:root ./live/media.hachyderm.io/README
        lrwxrwxrwx root:root ./live/media.hachyderm.io/cert.pem ../../archive/media.hachyderm.io/cert3.pem
        lrwxrwxrwx root:root ./live/media.hachyderm.io/chain.pem ../../archive/media.hachyderm.io/chain3.pem
        lrwxrwxrwx root:root ./live/media.hachyderm.io/fullchain.pem ../../archive/media.hachyderm.io/fullchain3.pem
        lrwxrwxrwx root:root ./live/media.hachyderm.io/privkey.pem ../../archive/media.hachyderm.io/privkey3.pem
        "
      `)
    }
  })

  test('a second rollout writes nothing, reloads nothing, orders nothing, and says so in a sentence', async () => {
    const before = await snapshots()
    const journal = await readFile(await journalFile(), 'utf8')
    const { stdout, exitCode } = await certs(`rollout ${site}`)
    expect(stdout.replace(/until .*/, 'until …')).toBe(
      `No changes. ${site} is version 3 on 4 nodes, valid until …\n`,
    )
    expect(exitCode).toBe(0)
    expect(await snapshots()).toEqual(before)
    expect(await readFile(await journalFile(), 'utf8')).toBe(journal)
    expect(ordersAt(incident.pebble)).toBe(1)
  })

  test('a node that was changed by hand is the only one that is touched', async () => {
    const [frankfurt, fremont, sally, esme] = await snapshots()
    await incident.lab.host('sally').exec(`
      cd /etc/letsencrypt/live/${site}
      for kind in privkey cert chain fullchain; do ln -sf ../../archive/${site}/\${kind}2.pem $kind.pem; done
      systemctl reload nginx`)
    const { stdout, exitCode } = await certs(`rollout ${site}`)
    expect(stdout).toMatch(/sally +done +2 → 3/)
    expect(exitCode).toBe(0)
    const after = await snapshots()
    expect([after[0], after[1], after[3]]).toEqual([frankfurt, fremont, esme])
    expect(after[2]).not.toEqual(sally)
    expect(await seen()).toHaveLength(1)
    expect(ordersAt(incident.pebble)).toBe(1)
  })

  test('files that are right under an nginx that still serves the old certificate are drift, too', async () => {
    const host = incident.lab.host('esme')
    const live = `/etc/letsencrypt/live/${site}`
    const archive = `../../archive/${site}`
    await host.exec(`cd ${live} && for k in privkey fullchain; do ln -sf ${archive}/\${k}2.pem $k.pem; done
      systemctl reload nginx; sleep 0.3
      for k in privkey fullchain; do ln -sf ${archive}/\${k}3.pem $k.pem; done`)
    const plan = await certs('plan')
    expect(plan.stdout).toMatch(/~ esme +reload, version 3 /)
    expect((await certs(`rollout ${site}`)).exitCode).toBe(0)
    expect(await seen()).toHaveLength(1)
  })

  test('--force-renew issues version 4; rollback goes back to 3 everywhere, proved by handshake', async () => {
    const [third] = await seen()
    expect((await certs(`rollout ${site} --force-renew`)).exitCode).toBe(0)
    const [fourth, ...others] = await seen()
    expect(others).toEqual([])
    expect(fourth).not.toBe(third)
    expect((await certs(`rollback ${site}`)).exitCode).toBe(0)
    expect(await seen()).toEqual([third])
    expect((await certs(`rollout ${site} --to-version 4`)).exitCode).toBe(0)
    expect(await seen()).toEqual([fourth])
    expect(ordersAt(incident.pebble)).toBe(2)
  })

  test('status, verify, check and history agree that all is well', async () => {
    for (const line of ['status', 'verify', 'check', 'history']) {
      expect(await certs(line), line).toMatchObject({ exitCode: 0 })
    }
    expect((await certs('history')).stdout).toMatch(
      /changed live\/media\.hachyderm\.io on sally from version 2 to 3, because /,
    )
  })

  test('of two runs at once the second says who holds the lock, and exits 75', async () => {
    const [first, second] = await Promise.all(
      ['--force-renew', '--force-renew'].map(async (flag) => incident.certs(`rollout ${site} ${flag}`)),
    )
    expect(new Set([first?.exitCode, second?.exitCode])).toEqual(new Set([0, 75]))
    const refused = [first, second].find((ran) => ran?.exitCode === 75)
    expect(refused?.stderr).toMatch(/certs rollout media\.hachyderm\.io --force-renew/)
    expect(refused?.stderr).toMatch(/pid \d+/)
    expect(ordersAt(incident.pebble)).toBe(3)
  })

  test('no key was said, logged or written to the journal', async () => {
    const keys = await incident.lab.host('esme').exec(`cat /etc/letsencrypt/archive/${site}/privkey*.pem`)
    const secrets = keys.split('\n').filter((line) => line.length > 20 && !line.startsWith('-----'))
    expect(secrets.length).toBeGreaterThan(5)
    const logs = await Promise.all(incident.cdn.map((host) => host.exec('journalctl --no-pager -o cat')))
    const journal = await readFile(await journalFile(), 'utf8')
    const texts = [...said, ...logs, journal, incident.pebble.log(), incident.named.log()].join('\n')
    for (const secret of [...secrets, incident.named.tsig.secret]) expect(texts).not.toContain(secret)
  })

  /** What is known of the archive files of versions 1 and 2, on all nodes. */
  async function oldFiles(): Promise<string[]> {
    const lines = (await snapshots()).flatMap((text) => text.split('\n'))
    return lines.filter((line) => /^(\S+ {2})?\.\/archive\/\S+[12]\.pem/.test(line))
  }

  async function journalFile(): Promise<string> {
    const names = await readdir(incident.state, { recursive: true })
    return join(incident.state, names.find((name) => name.includes('journal')) ?? 'no journal')
  }
})
