import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatedVersion } from './dated-ca.ts'
import type { Host } from './host.ts'

export const site = 'media.hachyderm.io'

/** Makes a host a CDN node: nginx speaks TLS for the site and asks the core for what it serves. */
export async function prepareCdn(
  host: Host,
  { core, versions }: { core: string; versions: readonly DatedVersion[] },
): Promise<void> {
  await writeLineage(host, site, versions)
  await host.writeFile('etc/nginx/sites-enabled/media', cdnSite(core))
}

/** The core web server, which has the images. */
export async function prepareCore(host: Host, picture: Buffer): Promise<void> {
  await writeFile(join(host.rootfs, 'var/www/health.png'), picture)
  const core = 'server {\n  listen 80 default_server;\n  root /var/www;\n}\n'
  await host.writeFile('etc/nginx/sites-enabled/core', core)
}

/** A lineage as certbot leaves it: version N is the Nth of `versions`, live leads to the last one. */
export async function writeLineage(
  host: Host,
  name: string,
  versions: readonly DatedVersion[],
): Promise<void> {
  const root = join(host.rootfs, 'etc/letsencrypt')
  for (const folder of ['archive', 'live']) {
    await mkdir(join(root, folder), { recursive: true, mode: 0o700 })
    await mkdir(join(root, folder, name), { mode: 0o755 })
  }
  await mkdir(join(root, 'renewal'), { recursive: true, mode: 0o755 })
  for (const [index, version] of versions.entries()) {
    for (const [kind, text] of Object.entries(filesOf(version))) {
      const mode = kind === 'privkey' ? 0o600 : 0o644
      await writeFile(join(root, 'archive', name, `${kind}${index + 1}.pem`), text, { mode })
    }
  }
  for (const kind of ['privkey', 'cert', 'chain', 'fullchain']) {
    const target = `../../archive/${name}/${kind}${versions.length}.pem`
    await symlink(target, join(root, 'live', name, `${kind}.pem`))
  }
  await writeFile(join(root, 'live', name, 'README'), readme)
  await writeFile(join(root, 'renewal', `${name}.conf`), renewal(name))
}

function filesOf(version: DatedVersion): Record<string, string> {
  const { key, leaf, chain } = version
  return { privkey: key, cert: leaf, chain, fullchain: leaf + chain }
}

const cdnSite = (core: string): string => `server {
  listen 443 ssl;
  listen [::]:443 ssl;
  server_name ${site};
  ssl_certificate /etc/letsencrypt/live/${site}/fullchain.pem;
  ssl_certificate_key /etc/letsencrypt/live/${site}/privkey.pem;
  location / {
    proxy_pass http://${core};
    proxy_set_header Host $host;
  }
}
`

const readme = `This directory contains your keys and certificates.

\`privkey.pem\`  : the private key for your certificate.
\`fullchain.pem\`: the certificate file used in most server software.
\`chain.pem\`    : used for OCSP stapling in Nginx >=1.3.7.
\`cert.pem\`     : will break many server configurations, and should not be used
                 without reading further documentation (see link below).

WARNING: DO NOT MOVE OR RENAME THESE FILES!
         Certbot expects these files to remain in this location in order
         to function properly!
`

const renewal = (name: string): string => `version = 2.1.0
archive_dir = /etc/letsencrypt/archive/${name}
cert = /etc/letsencrypt/live/${name}/cert.pem
privkey = /etc/letsencrypt/live/${name}/privkey.pem
chain = /etc/letsencrypt/live/${name}/chain.pem
fullchain = /etc/letsencrypt/live/${name}/fullchain.pem

[renewalparams]
account = 00000000000000000000000000000000
authenticator = manual
server = https://acme-v02.api.letsencrypt.org/directory
key_type = ecdsa
`
