import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'

const killer = fileURLToPath(new URL('../support/kill-at.ts', import.meta.url))

describe.skipIf(await skipUnless('hosts'))('a run killed with SIGKILL converges when it is run again', () => {
  let incident: Incident
  beforeAll(async () => {
    incident = await startIncident({ cdn: ['cdn-frankfurt-1', 'sally'], pebble: { PEBBLE_AUTHZREUSE: '0' } })
    expect(await incident.certs(`rollout ${site}`)).toMatchObject({ exitCode: 0 })
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  const orders = () => incident.pebble.log().match(/Added order/g)?.length ?? 0
  const issued = () => incident.pebble.log().match(/Issued certificate serial/g)?.length ?? 0

  test.each([
    'key-stored',
    'order-created',
    'txt-created',
    'challenge-answered',
    'finalize-sent',
    'version-stored',
    'txt-removed',
    'node-step:locked',
    'node-step:staged',
    'node-step:switched',
    'node-step:tested',
    'node-step:reloaded',
    'node-verified',
  ])('at %s: one order, one certificate, the same version everywhere, nothing left in DNS', async (point) => {
    const before = { orders: orders(), issued: issued() }
    const killed = await incident.certs(`rollout ${site} --force-renew`, {
      env: { NODE_OPTIONS: `--import=${killer}`, CERTS_TEST_KILL_AT: point },
    })
    expect(killed, killed.stderr).toMatchObject({ exitCode: 128 })

    const again = await incident.certs(`rollout ${site}`)
    expect(again, again.stderr).toMatchObject({ exitCode: 0 })
    expect(orders() - before.orders).toBe(1)
    expect(issued() - before.issued).toBe(1)
    expect(await incident.named.txt(`_acme-challenge.${site}`)).toEqual([])
    expect(await incident.certs(`verify ${site}`)).toMatchObject({ exitCode: 0 })
    expect(new Set(await Promise.all(incident.cdn.map(heldBy))).size).toBe(1)
    for (const host of incident.cdn) expect(await leftovers(host.rootfs)).toEqual([])

    const third = await incident.certs(`rollout ${site}`)
    expect(third.stdout).toMatch(/^No changes\. /)
    expect(await readdir(join(incident.state, 'documents', 'orders')).catch(() => [])).toEqual([])
  })

  test('with the plug of the node pulled at the same moment: the node boots with a matching pair, and converges', async () => {
    const [first] = incident.cdn
    const killed = await incident.certs(`rollout ${site} --force-renew`, {
      env: { NODE_OPTIONS: `--import=${killer}`, CERTS_TEST_KILL_AT: 'node-step:switched' },
    })
    await first!.kill()
    expect(killed, killed.stderr).toMatchObject({ exitCode: 128 })
    await first!.boot()
    expect(await first!.exec(`cd /etc/letsencrypt/live/${site} && ${pairMatches}`)).toBe('matches\n')
    expect(await incident.certs(`rollout ${site}`)).toMatchObject({ exitCode: 0 })
    expect(await incident.certs(`verify ${site}`)).toMatchObject({ exitCode: 0 })
  })

  /** Where live points to, and the leaf that is there. */
  function heldBy(host: Incident['cdn'][number]): Promise<string> {
    return host.exec(`cd /etc/letsencrypt/live/${site} && readlink *.pem && sha256sum *.pem`)
  }
})

const pairMatches = `
  [ "$(openssl pkey -in privkey.pem -pubout)" = "$(openssl x509 -in fullchain.pem -noout -pubkey)" ] && echo matches`

/** Names in live and archive that are neither certbot's nor a version's. */
async function leftovers(rootfs: string): Promise<string[]> {
  const root = join(rootfs, 'etc/letsencrypt')
  const folders = ['', 'live', 'archive', `live/${site}`, `archive/${site}`].map((folder) =>
    join(root, folder),
  )
  const names = (
    await Promise.all(folders.filter((folder) => existsSync(folder)).map((folder) => readdir(folder)))
  ).flat()
  const known =
    /^(live|archive|renewal|README|media\.hachyderm\.io(\.conf)?|(privkey|cert|chain|fullchain)\d*\.pem)$/
  return names.filter((name) => !known.test(name))
}
