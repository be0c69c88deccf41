import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDatedCa } from './dated-ca.ts'
import type { Host } from './hosts.ts'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'
import { snapshotOf } from './snapshot.ts'

const live = `/etc/letsencrypt/live/${site}`
const archive = `/etc/letsencrypt/archive/${site}`

describe.skipIf(await skipUnless('hosts'))('the layouts that a night of cp and ln leaves behind', () => {
  let incident: Incident
  let hosts: Record<'frankfurt' | 'fremont' | 'sally' | 'esme', Host>
  let before: Map<string, string[]>
  beforeAll(async () => {
    incident = await startIncident()
    const [frankfurt, fremont, sally, esme] = incident.cdn as [Host, Host, Host, Host]
    hosts = { frankfurt, fremont, sally, esme }
    await makeLayouts(incident, hosts)
    before = new Map()
    for (const host of incident.cdn) before.set(host.name, await sumsOn(host))
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  const certs = (line: string) => incident.certs(line)

  test('stop a rollout on their nodes until somebody says yes, which the plan asks for and changes nothing', async () => {
    const snapshots = await Promise.all(incident.cdn.map(snapshotOf))
    const plan = await certs(`plan ${site}`)
    expect(plan.exitCode).toBe(1)
    for (const node of ['cdn-frankfurt-1', 'cdn-fremont-1', 'esme']) {
      expect(plan.stdout).toMatch(new RegExp(`! ${node} +blocked +\\S`))
      expect(plan.stdout).toContain(`  hint: ${node}: certs rollout ${site} --adopt\n`)
    }
    for (const node of ['sally']) expect(plan.stdout).toMatch(new RegExp(`~ ${node} +version 2 → 6`))
    expect(await Promise.all(incident.cdn.map(snapshotOf))).toEqual(snapshots)
  })

  test('are each named in a plan --adopt with the repair', async () => {
    const { stdout } = await certs(`plan ${site} --adopt`)
    const lines = stdout.split('\n').filter((line) => /^ +(adopt|mend|note): /.test(line))
    expect(lines.map((line) => line.trim().replaceAll(site, 'SITE'))).toMatchInlineSnapshot(`
      [
        "adopt: cdn-frankfurt-1: live can be written by others (mode 777): only its owner may write there",
        "adopt: cdn-frankfurt-1: privkey.pem, cert.pem, chain.pem, fullchain.pem in live/SITE are real files, not links: kept in archive/SITE as version 4, and links take their place",
        "adopt: cdn-frankfurt-1: everybody may read archive/SITE/privkey1.pem (644 root:root), archive/SITE/privkey2.pem (644 root:root): only owner and group may",
        "adopt: cdn-fremont-1: archive/SITE belongs to nobody:root: is given to root",
        "adopt: cdn-fremont-1: live/SITE is itself a link (/srv/tls): a directory takes its place, what it leads to stays as it is, and what it holds is kept in archive/SITE as version 2",
        "mend: sally: live/SITE/privkey.pem is an absolute link (/etc/letsencrypt/archive/SITE/privkey2.pem): becomes a link to version 6",
        "mend: sally: live/SITE/cert.pem points to nothing (../../archive/gone/cert7.pem): becomes a link to version 6",
        "mend: sally: live/SITE/chain.pem leads in a circle (chain.pem): becomes a link to version 6",
        "mend: sally: version 5 in archive/SITE is not complete: no cert, chain, fullchain: it stays, and version 6 is above it",
        "mend: sally: archive/SITE has no version 3 to 4: the gap stays; the new number is 6",
        "mend: sally: live/SITE and archive/SITE hold privkeyX.pem too: left as it is",
        "note: sally: certbot renews SITE here too (cron): it issues beside certs, and moves the links in live/SITE to its own version; to stop it: certs nodes adopt sally",
        "note: sally: live/SITE-0001 is another lineage for SITE, and certbot renews it (cron); to stop it: certs nodes adopt sally",
        "adopt: esme: nginx reads /etc/nginx/ssl/media.pem and /etc/nginx/ssl/media.key for SITE, not live/SITE: /etc/nginx/ssl/media.pem becomes a link to live/SITE/fullchain.pem, /etc/nginx/ssl/media.key becomes a link to live/SITE/privkey.pem; what is there is kept beside it as .before-certs",
        "adopt: esme: nginx reads /etc/letsencrypt/live/SITE-0001/fullchain.pem and /etc/letsencrypt/live/SITE-0001/privkey.pem for SITE, not live/SITE: /etc/letsencrypt/live/SITE-0001/fullchain.pem becomes a link to live/SITE/fullchain.pem, /etc/letsencrypt/live/SITE-0001/privkey.pem becomes a link to live/SITE/privkey.pem; what is there is kept beside it as .before-certs",
      ]
    `)
  })

  test('are as they were when a node does not prove right', async () => {
    const look =
      'find /etc/nginx /root /etc/letsencrypt/live -printf "%p %y %m %l\\n" | sort; cat /etc/nginx/ssl/*'
    const was = await hosts.esme.exec(look)
    const config = structuredClone(incident.config) as { nodes: Record<string, object>; rollout?: object }
    config.nodes['esme'] = { ...config.nodes['esme'], nginx: { reload: ['true'] } }
    config.rollout = { ...config.rollout, deadline: '1s' }
    const env = { CERTS_CONFIG: await incident.writeConfig('unproved.config.ts', config) }
    const ran = await incident.certs(`rollout ${site} --adopt --node esme`, { env })
    expect(ran.exitCode).toBe(1)
    expect(ran.stderr).toContain('certs: error: esme: verification failed')
    expect(ran.stderr).toMatch(
      /hint: live was switched back to version 2, .*, \/etc\/nginx\/ssl\/media\.pem, .* is what it was before, and verified by handshake/,
    )
    expect(await hosts.esme.exec(look)).toBe(was)
  })

  test('are mended by one rollout --adopt, and no byte that lay anywhere on a node is lost', async () => {
    const ran = await certs(`rollout ${site} --adopt`)
    expect(ran.exitCode, ran.stderr).toBe(0)
    expect(ran.stdout).toMatch(/\nnote: sally: certbot renews media\.hachyderm\.io here too \(cron\)/)
    for (const host of incident.cdn) {
      const after = new Set(await sumsOn(host))
      expect(before.get(host.name)!.filter((line) => !after.has(line))).toEqual([])
      expect(await host.exec(`cd ${live} && readlink *.pem`)).toMatch(/^(\.\.\/\.\.\/archive\/\S+\n){4}$/)
    }
    expect(await certs(`verify ${site}`)).toMatchObject({ exitCode: 0 })
    expect((await certs(`rollout ${site} --adopt`)).stdout).toContain('No changes. ')
    expect((await certs('status')).stdout).toContain('note: sally: certbot renews')
    const leaf = 'openssl x509 -noout -fingerprint'
    const served = `openssl s_client -connect localhost:8443 -servername ${site} </dev/null 2>/dev/null | ${leaf}`
    expect(await hosts.esme.exec(served)).toBe(await hosts.esme.exec(`${leaf} -in ${live}/cert.pem`))
    const { stdout } = await certs('history')
    expect(stdout).toContain(
      `; now /etc/nginx/ssl/media.pem.before-certs, /etc/nginx/ssl/media.key.before-certs, `,
    )
    expect(stdout).toContain(
      `(before: live/${site}/privkey.pem is an absolute link (${archive}/privkey2.pem);`,
    )
  })

  test('can be gone back from: each node serves what it served before', async () => {
    const back = await certs(`rollback ${site} --force`)
    expect(back.exitCode, back.stderr).toBe(0)
    expect(back.stdout).toMatch(/cdn-frankfurt-1 +done +6 → 4 +verified at 2 endpoints, valid for /)
    expect(back.stdout).toMatch(/cdn-fremont-1 +done +6 → 2 +verified at 2 endpoints, expired /)
  })
})

async function makeLayouts(incident: Incident, hosts: Record<string, Host>): Promise<void> {
  const { frankfurt, fremont, sally, esme } = hosts as Record<
    'frankfurt' | 'fremont' | 'sally' | 'esme',
    Host
  >
  await using ca = await createDatedCa(`${incident.lab.folder}/layouts-ca`)
  const day = 86_400_000
  const copied = await ca.issue({
    names: [site],
    notBefore: new Date(Date.now() - 30 * day),
    notAfter: new Date(Date.now() + day),
  })
  // Copied over from a host that had another certificate, by everybody, for everybody.
  await frankfurt.exec(
    `cd ${live} && rm *.pem && chmod 777 /etc/letsencrypt/live && chmod 644 ${archive}/privkey*`,
  )
  await frankfurt.writeFile(`${live}/privkey.pem`.slice(1), copied.key)
  await frankfurt.writeFile(`${live}/cert.pem`.slice(1), copied.leaf)
  await frankfurt.writeFile(`${live}/chain.pem`.slice(1), copied.chain)
  await frankfurt.writeFile(`${live}/fullchain.pem`.slice(1), copied.leaf + copied.chain)

  // A folder of somebody's own in the place of live.
  await fremont.exec(`mkdir /srv/tls && cp -L ${live}/*.pem /srv/tls/ && chown -R www-data /srv/tls
    rm -r ${live} && ln -s /srv/tls ${live} && chown nobody ${archive}`)

  // Links by hand, gaps, halves, and a lineage that certbot made beside.
  await sally.exec(`cd ${live} && ln -sf ${archive}/privkey2.pem privkey.pem && ln -sf chain.pem chain.pem
    ln -sf ../../archive/gone/cert7.pem cert.pem
    cp ${archive}/privkey2.pem ${archive}/privkey5.pem; touch ${archive}/privkeyX.pem
    mkdir -p ${live}-0001 ${archive}-0001 && cp -L ${archive}/*2.pem ${archive}-0001
    cp /etc/letsencrypt/renewal/${site}.conf /etc/letsencrypt/renewal/${site}-0001.conf
    mkdir -p /etc/cron.d && echo "7 3 * * * root certbot renew --quiet" >/etc/cron.d/renewal`)

  // Served from copies, the key of which is a link; and on another port from what certbot made beside.
  await esme.exec(`mkdir /etc/nginx/ssl && cp -L ${live}/fullchain.pem /etc/nginx/ssl/media.pem
    cp -L ${live}/privkey.pem /root/media.key && ln -s /root/media.key /etc/nginx/ssl/media.key
    mkdir -p ${live}-0001 && cp -L ${archive}/privkey2.pem ${archive}/fullchain2.pem ${live}-0001
    mv ${live}-0001/privkey2.pem ${live}-0001/privkey.pem && mv ${live}-0001/fullchain2.pem ${live}-0001/fullchain.pem
    cd /etc/nginx/sites-enabled
    { cat media; sed 's/443/8443/; s#live/${site}/#live/${site}-0001/#; /location/,/^ *}/d' media; } >both
    sed -i '1,/^}/{s#/etc/letsencrypt/live/${site}/fullchain.pem#ssl/media.pem#; s#/etc/letsencrypt/live/${site}/privkey.pem#ssl/media.key#}' both
    rm media`)
  for (const host of incident.cdn) {
    await host.exec(`old=$(pgrep -P "$(cat /run/nginx.pid)") && nginx -t && systemctl reload nginx
      for pid in $old; do while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done; done`)
  }
}

/** What lies where certificates may lie, whatever it is called. */
async function sumsOn(host: Host): Promise<string[]> {
  const all = await host.exec(
    'find /etc/letsencrypt /etc/nginx /srv /root -type f -exec sha256sum {} + | cut -c1-64 | sort -u',
  )
  return all.split('\n').filter(Boolean)
}
