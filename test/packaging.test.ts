import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { command } from './lab/command.ts'
import { startHosts, type Host, type Lab } from './lab/hosts.ts'
import { configText } from './lab/incident-config.ts'
import { skipUnless } from './lab/machine.ts'
import { startNamed } from './lab/named.ts'
import { startPebble } from './lab/pebble.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')
const packaging = join(root, 'packaging')
const name = 'www.fleet.example'

describe.skipIf(await skipUnless('hosts'))('the systemd units', () => {
  test('are right, and the service is locked up: systemd itself says so', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'certs-units-'))
    try {
      const service = await readFile(join(packaging, 'certs-renew.service'), 'utf8')
      // certs is not installed here.
      await writeFile(
        join(folder, 'certs-renew.service'),
        service.replace('ExecStart=certs', `ExecStart=${process.execPath}`),
      )
      await cp(join(packaging, 'certs-renew.timer'), join(folder, 'certs-renew.timer'))
      const units = ['certs-renew.service', 'certs-renew.timer'].map((unit) => join(folder, unit))
      expect(await command(['systemd-analyze', 'verify', ...units])).toEqual({
        exitCode: 0,
        stdout: '',
        stderr: '',
      })
      const said = await run('systemd-analyze', ['security', '--offline=true', units[0]!])
      const exposure = /exposure level for certs-renew\.service: ([\d.]+)/.exec(said.stdout)?.[1]
      expect(Number(exposure)).toBeLessThan(3)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  describe('on a real host', () => {
    let lab: Lab
    let host: Host
    let config: object
    const stack = new AsyncDisposableStack()

    beforeAll(async () => {
      lab = stack.use(await startHosts({ nodes: ['controller'], prepare: install }))
      host = lab.host('controller')
      const address = host.address.replace(/\d+$/, '1')
      const named = stack.use(await startNamed({ address, zones: { 'fleet.example': {} } }))
      const server = `${named.address}:${named.port}`
      const pebble = stack.use(await startPebble({ dnsServer: server, listen: address }))
      const { name: key, algorithm, secret } = named.tsig
      config = {
        acme: { directory: pebble.directory, caBundle: '/etc/certs/ca.pem' },
        dns: {
          home: {
            provider: 'rfc2136',
            server,
            tsig: { name: key, algorithm, secret: { file: 'tsig.secret' } },
          },
        },
        resolvers: [server],
        certificates: { [name]: {} },
      }
      await host.exec('mkdir -m 700 /etc/certs')
      await host.writeFile('/etc/certs/tsig.secret', secret, 0o600)
      await host.writeFile('/etc/certs/ca.pem', pebble.caBundle)
      await host.writeFile('/etc/certs/certs.config.ts', configText(config))
    }, 90_000)
    afterAll(() => stack.disposeAsync())

    const renew = async () => {
      const { exitCode } = await host.tryExec('systemctl start certs-renew.service')
      const since = '--cursor-file=/tmp/cursor -u certs-renew.service _TRANSPORT=stdout'
      return { exitCode, said: await host.exec(`sleep 0.3; journalctl -q -o cat ${since}`) }
    }

    test('renew inside of all that hardening, and say nothing when nothing is due', async () => {
      const first = await renew()
      expect(first, first.said).toMatchObject({ exitCode: 0 })
      expect(first.said).toContain(`${name}: version 1 is stored`)
      expect(await host.exec('stat -c "%a %U" /var/lib/certs /var/lib/certs/archive/*/privkey1.pem')).toBe(
        '700 root\n600 root\n',
      )
      expect(await renew()).toEqual({ exitCode: 0, said: '' })
    })

    test('bring certificates to the machine itself, where a drop-in lets them', async () => {
      const live = `/etc/letsencrypt/live/${name}`
      await host.exec('mkdir -p /etc/letsencrypt')
      const tls = `ssl_certificate ${live}/fullchain.pem; ssl_certificate_key ${live}/privkey.pem;`
      const serverBlock = `server { listen 443 ssl; server_name ${name}; ${tls} }\n`
      await host.writeFile('/etc/nginx/sites-enabled/fleet', serverBlock)
      const withNode = {
        ...config,
        nodes: { here: { address: 'local' } },
        certificates: { [name]: { nodes: ['here'] } },
      }
      await host.writeFile('/etc/certs/certs.config.ts', configText(withNode))
      const locked = await renew()
      expect(locked.exitCode).not.toBe(0)
      expect(locked.said).toContain('here: its certificate folder is not writable')
      const dropIn = await readFile(join(packaging, 'local-node.conf'), 'utf8')
      await host.writeFile('/etc/systemd/system/certs-renew.service.d/local-node.conf', dropIn)
      await host.exec('systemctl daemon-reload')
      const ran = await renew()
      expect(ran, ran.said).toMatchObject({ exitCode: 0 })
      expect(ran.said).toMatch(/here +done +1 +verified at 1 endpoint/)
      expect(await renew()).toEqual({ exitCode: 0, said: '' })
    })

    test('fail visibly when a certificate is not right', async () => {
      await host.exec(`sed -i 's/${name}/www.other.example/' /etc/certs/certs.config.ts`)
      const ran = await renew()
      expect(ran.exitCode).not.toBe(0)
      expect(ran.said).toContain('certs: error: ')
      expect(await host.exec('systemctl is-failed certs-renew.service')).toBe('failed\n')
    })

    test('run every hour, and at once after the machine was off', async () => {
      await host.exec('systemctl enable --now --quiet certs-renew.timer')
      const timers = JSON.parse(await host.exec('systemctl list-timers -o json')) as {
        unit: string
        next: number
      }[]
      const next = timers.find(({ unit }) => unit === 'certs-renew.timer')?.next ?? Number.NaN
      expect(next / 1000 - Date.now()).toBeLessThan(71 * 60_000)
      expect(await host.exec('systemctl show -P Persistent certs-renew.timer')).toBe('yes\n')
    })
  })
})

/** The built program, its one native package and Node.js, as an installation would bring them. */
async function install(host: Host): Promise<void> {
  const place = join(host.rootfs, 'opt/certs')
  const modules = (folder: string) => join(folder, 'node_modules')
  await mkdir(modules(place), { recursive: true })
  await run(process.execPath, ['build.ts', join(place, 'dist')], { cwd: root })
  for (const each of await closureOf('fs-native-extensions')) {
    await cp(join(modules(root), each), join(modules(place), each), { recursive: true })
  }
  await cp(process.execPath, join(place, 'node'), { dereference: true })
  await writeFile(join(place, 'package.json'), '{"type":"module"}')
  const units = join(host.rootfs, 'etc/systemd/system')
  for (const unit of ['certs-renew.service', 'certs-renew.timer']) {
    await cp(join(packaging, unit), join(units, unit))
  }
  const start = '/opt/certs/node /opt/certs/dist/certs.js renew --now --config /etc/certs/certs.config.ts'
  await mkdir(join(units, 'certs-renew.service.d'))
  await writeFile(
    join(units, 'certs-renew.service.d/where.conf'),
    `[Service]\nExecStart=\nExecStart=${start}\n`,
  )
}

/** A package and what it needs. */
async function closureOf(guest: string): Promise<string[]> {
  const text = await readFile(join(root, 'node_modules', guest, 'package.json'), 'utf8')
  const { dependencies = {} } = JSON.parse(text) as { dependencies?: Record<string, string> }
  const needed = await Promise.all(Object.keys(dependencies).map(closureOf))
  return [...new Set([guest, ...needed.flat()])]
}
