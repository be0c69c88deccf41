import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from './host.ts'
import type { Programs } from './packages.ts'

/** Debian packages of what else reads certificates. */
export const otherServers: Programs = { haproxy: 'haproxy', apache2: 'apache2', dovecot: 'dovecot-imapd' }

interface Site {
  readonly name: string
  readonly port: number
}

/** What is answered to every URL. */
export const picture = 'picture'

const live = (name: string): string => `/etc/letsencrypt/live/${name}`

export function haproxyText({ name, port }: Site, file = `${live(name)}/combined.pem`): string {
  return `global
  user haproxy
  group haproxy
  chroot /var/lib/haproxy
defaults
  mode http
  timeout client 5s
  timeout connect 5s
  timeout server 5s
frontend tls
  bind :${port} ssl crt ${file}
  http-request return status 200 content-type image/png string ${picture}
`
}

/** haproxy as Debian's package starts it; its certificate is a file that somebody has put together by hand. */
export async function prepareHaproxy(host: Host, site: Site): Promise<void> {
  await writeAll(host, {
    'etc/default/haproxy': '',
    'etc/haproxy/haproxy.cfg': haproxyText(site, '/etc/haproxy/by-hand.pem'),
  })
  await mkdir(join(host.rootfs, 'var/lib/haproxy'), { recursive: true })
}

/** Apache as Debian's package starts it. */
export async function prepareApache(host: Host, { name, port }: Site): Promise<void> {
  const modules = ['mpm_event', 'authz_core', 'dir', 'mime', 'ssl']
  const load = modules.map((one) => `LoadModule ${one}_module /usr/lib/apache2/modules/mod_${one}.so\n`)
  const variables = [
    'APACHE_RUN_USER=www-data',
    'APACHE_RUN_GROUP=www-data',
    'APACHE_PID_FILE=/run/apache2/apache2.pid',
    'APACHE_RUN_DIR=/run/apache2',
    'APACHE_LOCK_DIR=/run/lock/apache2',
    'APACHE_LOG_DIR=/var/log/apache2',
  ]
  await writeAll(host, {
    'etc/apache2/envvars': variables.map((line) => `export ${line}\n`).join(''),
    'etc/apache2/apache2.conf': `${load.join('')}
ServerName ${host.name}
PidFile \${APACHE_PID_FILE}
DefaultRuntimeDir \${APACHE_RUN_DIR}
User \${APACHE_RUN_USER}
Group \${APACHE_RUN_GROUP}
ErrorLog /var/log/apache2/error.log
TypesConfig /dev/null
AddType image/png .png
DocumentRoot /var/www
<Directory /var/www>
  Require all granted
</Directory>
Listen ${port}
SSLSessionCache none
<VirtualHost *:${port}>
  ServerName ${name}
  SSLEngine on
  SSLCertificateFile ${live(name)}/fullchain.pem
  SSLCertificateKeyFile ${live(name)}/privkey.pem
</VirtualHost>
`,
    'var/www/health.png': picture,
  })
  await mkdir(join(host.rootfs, 'var/log/apache2'), { recursive: true })
}

/** IMAP on 143, and on 993 with TLS from the first byte. */
export async function prepareDovecot(host: Host, name: string): Promise<void> {
  await writeAll(host, {
    'etc/dovecot/dovecot.conf': `protocols = imap
listen = *
ssl = yes
ssl_cert = <${live(name)}/fullchain.pem
ssl_key = <${live(name)}/privkey.pem
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=/tmp
}
log_path = /var/log/dovecot.log
`,
  })
}

async function writeAll(host: Host, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(host.rootfs, path, '..'), { recursive: true })
    await host.writeFile(path, text)
  }
}
