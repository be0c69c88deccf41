import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { freePort, startDependent, type DependentProcess } from '../support/dependent-process.ts'
import { command } from './command.ts'

const server = '/usr/sbin/pdns_server'
const schema = '/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql'

/** Why no PowerDNS can be started here, or undefined when one can. */
export async function powerDnsMissing(): Promise<string | undefined> {
  const there = await Promise.all([server, schema, '/usr/bin/setpriv', '/usr/bin/dig'].map(exists))
  return there.every(Boolean)
    ? undefined
    : 'PowerDNS is missing: apt-get install pdns-server pdns-backend-sqlite3 bind9-dnsutils'
}

/** A real PowerDNS Authoritative Server on loopback, with its API and caches as they come. */
export interface PowerDns extends AsyncDisposable {
  readonly url: string
  readonly apiKey: string
  /** Asks the API past the provider. `path` is below /api/v1/servers/localhost. */
  api(method: string, path: string, body?: object): Promise<unknown>
  /** TXT values that it answers with over DNS, sorted. */
  txt(name: string): Promise<string[]>
  said(): string
}

export async function startPowerDns(
  kinds: Readonly<Record<string, 'Native' | 'Master' | 'Slave'>>,
): Promise<PowerDns> {
  const folder = await mkdtemp(join(tmpdir(), 'certs-powerdns-'))
  const database = new DatabaseSync(join(folder, 'zones.db'))
  database.exec(await readFile(schema, 'utf8'))
  database.close()
  const apiKey = 'api-key-of-the-lab-0123456789'
  let child: DependentProcess | undefined

  async function api(port: number, method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/servers/localhost${path}`, {
      method,
      headers: { 'x-api-key': apiKey },
      body: body ? JSON.stringify(body) : null,
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  async function dispose(): Promise<void> {
    await child?.stop()
    await rm(folder, { recursive: true, force: true })
  }

  try {
    // A port may be taken between looking and listening.
    for (let tries = 0; tries < 3; tries++) {
      const [dns, web] = await Promise.all([freePort('127.0.0.1'), freePort('127.0.0.1')])
      await writeFile(join(folder, 'pdns.conf'), configuration({ folder, dns, web, apiKey }), { mode: 0o600 })
      child = startDependent([server, `--config-dir=${folder}`], {})
      if (!(await child.until(async () => (await api(web, 'GET', '/config')) !== undefined))) continue
      for (const [zone, kind] of Object.entries(kinds)) {
        const masters = kind === 'Slave' ? { masters: ['127.0.0.1:9'] } : { nameservers: [`ns1.${zone}.`] }
        await api(web, 'POST', '/zones', { name: `${zone}.`, kind, ...masters })
      }
      return {
        url: `http://127.0.0.1:${web}`,
        apiKey,
        api: (method, path, body) => api(web, method, path, body),
        async txt(name) {
          const asked = ['dig', '@127.0.0.1', '-p', `${dns}`, '+short', '+norecurse', '+tries=2', name, 'TXT']
          const { stdout } = await command(asked)
          const lines = stdout.split('\n').filter((line) => line.startsWith('"'))
          return lines.map((line) => line.slice(1, -1).replaceAll('" "', '')).toSorted()
        },
        said: () => child?.said() ?? '',
        [Symbol.asyncDispose]: dispose,
      }
    }
    throw new Error(`PowerDNS did not start:\n${child?.said()}`)
  } catch (error) {
    await dispose()
    throw error
  }
}

function configuration({
  folder,
  dns,
  web,
  apiKey,
}: {
  folder: string
  dns: number
  web: number
  apiKey: string
}) {
  return `launch=gsqlite3
gsqlite3-database=${folder}/zones.db
socket-dir=${folder}
local-address=127.0.0.1
local-port=${dns}
primary=yes
secondary=yes
webserver=yes
webserver-address=127.0.0.1
webserver-port=${web}
webserver-allow-from=127.0.0.1
api=yes
api-key=${apiKey}
`
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
