import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { audit } from '../../../deploy/audit.ts'
import { inspect } from '../../../deploy/inspect.ts'
import { install, rollback } from '../../../deploy/install.ts'
import { prune, restore, weigh } from '../../../deploy/prune.ts'
import { fakeNode, snapshot, type FakeNode } from '../../support/fake-node.ts'
import { certificate, one, two } from '../../support/installing.ts'

vi.setConfig({ testTimeout: 60_000 })

const missing =
  existsSync('/usr/bin/busybox') && process.getuid?.() === 0 ? undefined : 'busybox or root is missing'
if (missing) console.log(`skipped: ${missing}`)

/** A root file system with nothing in it but busybox, as Alpine's: no perl, openssl, flock or coreutils. */
function busyboxOnly(fake: FakeNode) {
  const system = join(fake.folder, 'system')
  const libraries = spawnSync('ldd', ['/usr/bin/busybox'], { encoding: 'utf8' }).stdout.match(/\/\S+/g) ?? []
  const setup = [
    `mkdir -p ${system} && mount -t tmpfs tmpfs ${system}`,
    `cd ${system} && mkdir -p usr/bin usr/sbin usr/lib usr/lib64 run etc dev proc ${system}${fake.folder}`,
    `cp /usr/bin/busybox usr/bin && ln -s usr/bin usr/sbin usr/lib usr/lib64 .`,
    ...libraries.map((path) => `mkdir -p .$(dirname ${path}) && cp -L ${path} .${path}`),
    'busybox --install -s usr/bin',
    `cp ${fake.folder}/nginx usr/sbin/nginx; cp ${fake.folder}/systemctl usr/bin/systemctl; mknod -m 666 dev/null c 1 3`,
    `mount --bind ${fake.folder} ${system}${fake.folder}; mount -t proc proc proc`,
  ].join('\n')
  return { setup, around: ['/usr/sbin/chroot', system], sh: ['/bin/sh'] }
}

test.skipIf(missing)('works with nothing but busybox', async () => {
  using fake = fakeNode()
  fake.lay(one)
  const shell = fake.shell(busyboxOnly(fake))
  const seen = await inspect(shell, fake.node, [certificate])
  expect(seen).toMatchObject({
    exchange: 'none',
    disk: { writable: true },
    services: { nginx: { running: true, test: { ok: true } } },
  })
  expect(seen.lineages[certificate]).toMatchObject({ leaf: one.leaf, pair: 'unknown' })
  expect(seen.disk.freeBytes).toBeGreaterThan(0)

  const { files } = await audit(shell, fake.node, { folders: [fake.folder] })
  expect(files.map(({ path }) => path)).toContain(fake.path('live', certificate, 'fullchain.pem'))
  expect(files.find(({ path }) => path === fake.path('live', certificate, 'privkey.pem'))).toMatchObject({
    target: `../../archive/${certificate}/privkey1.pem`,
    key: {},
  })

  const installed = await install(shell, fake.node, {
    certificate,
    version: two,
    forceReload: false,
    onStep: () => {},
  })
  expect(installed).toMatchObject({ outcome: 'installed', former: 1 })
  expect(readlinkSync(fake.path('live', certificate, 'privkey.pem'))).toBe(
    `../../archive/${certificate}/privkey2.pem`,
  )
  expect(await rollback(shell, fake.node, { certificate, number: 1 })).toMatchObject({ outcome: 'installed' })
  expect(fake.calls().filter((call) => call.startsWith('systemctl'))).toHaveLength(2)

  const dump = '# configuration file /etc/nginx/nginx.conf:'
  fake.will('test', `[ "$1" = -t ] || printf '%s\\nhttp { server { listen 80; } }\\n' '${dump}'`)
  const before = snapshot(fake.root, { times: false })
  const base = { kind: 'old-version', label: '', what: '', because: '', lost: false } as const
  const candidate = { ...base, target: { is: 'version', name: certificate, number: 2 } } as const
  const { items } = await weigh(shell, fake.node, { candidates: [candidate] })
  expect(items).toMatchObject([{ named: [], led: [] }])
  const item = { ...candidate, entries: items[0]!.entries, notes: [] }
  expect(await prune(shell, fake.node, { items: [item], backup: 'b' })).toMatchObject({ gone: [0], kept: [] })
  expect(await restore(shell, fake.node, { backup: 'b' })).toBe(4)
  expect(snapshot(fake.root, { times: false })).toEqual(before)
  expect(execFileSync('ls', ['-A', fake.path('archive')], { encoding: 'utf8' }).trim()).toBe(certificate)
})
