import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createDatedCa } from './dated-ca.ts'
import { writeLineage } from './cdn-node.ts'
import type { Host } from './hosts.ts'
import { coreName, site, type Incident } from './incident.ts'

/** What a night of scp and ln -s leaves behind, on three nodes and the core, beside the expired certificate. */
export async function makeMess(incident: Incident): Promise<void> {
  const { lab, named } = incident
  const [frankfurt, fremont, sally] = incident.cdn as [Host, Host, Host]
  const day = 86_400_000
  const at = (days: number): Date => new Date(Date.now() + days * day)
  const folder = join(lab.folder, 'mess-ca')
  await using ca = await createDatedCa(folder)
  const files = await ca.issue({
    names: ['files.hachyderm.io', 'gone.hachyderm.io'],
    notBefore: at(-30),
    notAfter: at(60),
  })
  const forgotten = await ca.issue({ names: ['old.hachyderm.io'], notBefore: at(-200), notAfter: at(-110) })

  // Served from a copy, whose key anybody may read; by a snippet and relative paths.
  const copy = join(fremont.rootfs, 'etc/nginx/ssl')
  await mkdir(copy)
  await mkdir(join(fremont.rootfs, 'etc/nginx/snippets'))
  await fremont.exec(`cp -L /etc/letsencrypt/live/${site}/fullchain.pem /etc/nginx/ssl/media.pem
    cp -L /etc/letsencrypt/live/${site}/privkey.pem /etc/nginx/ssl/media.key && chmod 644 /etc/nginx/ssl/media.key
    printf 'ssl_certificate ssl/media.pem;\nssl_certificate_key "ssl/media.key";\n' >/etc/nginx/snippets/tls.conf
    sed -i 's#ssl_certificate .*#include snippets/tls.conf;#; /ssl_certificate_key/d' /etc/nginx/sites-enabled/media`)

  // A certificate that certbot renews, for a name that leads here and one that does not; and a lineage that nobody reads.
  await writeLineage(sally, 'files.hachyderm.io', [files])
  await writeLineage(sally, 'old.hachyderm.io', [forgotten])
  await sally.writeFile(
    'etc/nginx/sites-enabled/files',
    server('files.hachyderm.io gone.hachyderm.io', 'files.hachyderm.io'),
  )
  await sally.exec('mkdir -p /etc/cron.d && echo "7 3 * * * root certbot renew --quiet" >/etc/cron.d/renewal')
  await sally.exec(`ln -s /etc/letsencrypt/live/${site}/fullchain.pem /etc/nginx/current.pem`)

  // scp -r of the archive to where nobody needs it.
  const archive = join(coreOf(incident).rootfs, 'root/archive')
  await mkdir(archive)
  for (const kind of ['privkey2', 'fullchain2']) {
    const { stdout } = await frankfurt.tryExec(`cat /etc/letsencrypt/archive/${site}/${kind}.pem`)
    await writeFile(join(archive, `${kind}.pem`), stdout, { mode: 0o600 })
  }

  // A server of a name that left long ago, without TLS.
  await frankfurt.writeFile(
    'etc/nginx/sites-enabled/dead',
    'server { listen 80; server_name dead.hachyderm.io _ *.x.hachyderm.io; }\n',
  )
  for (const host of incident.cdn) {
    // Until the workers of before are gone.
    await host.exec(`old=$(pgrep -P "$(cat /run/nginx.pid)") && nginx -t && systemctl reload nginx
      for pid in $old; do while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done; done`)
  }
  await named.update(
    `update add files.hachyderm.io 60 A ${sally.address}`,
    'update add gone.hachyderm.io 60 CNAME parked.hachyderm.io.',
    'update add parked.hachyderm.io 60 A 192.0.2.99',
  )
}

function coreOf({ lab }: Incident): Host {
  return lab.host(coreName)
}

const server = (names: string, lineage: string): string => `server {
  listen 443 ssl;
  listen [::]:443 ssl;
  server_name ${names};
  ssl_certificate /etc/letsencrypt/live/${lineage}/fullchain.pem;
  ssl_certificate_key /etc/letsencrypt/live/${lineage}/privkey.pem;
}
`
