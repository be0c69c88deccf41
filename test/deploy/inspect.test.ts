import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { inspect } from '../../deploy/inspect.ts'
import { filesOf, sha256 } from '../../src/core/certificate.ts'
import { fakeNode, shells, snapshot } from '../support/fake-node.ts'
import { issueVersion } from '../support/issue-version.ts'
import { nodeFailure } from '../support/node-failure.ts'
import { straceMissing } from '../support/strace.ts'
import { nginxAlone } from '../support/nginx-alone.ts'

vi.setConfig({ testTimeout: 60_000 })

const certificate = 'media.hachyderm.io'
const [one, two, seven] = await Promise.all([1, 2, 7].map((number) => issueVersion(certificate, number)))
if (!one || !two || !seven) throw new Error('no versions')

const configuration = `
# configuration file /etc/nginx/nginx.conf:
user www-data;
http {
  log_format main '$remote_addr { "quoted; brace" }'
                  '$request';
  ssl_certificate shared/fullchain.pem; # { a comment }
  map $ssl_server_name $pem { default "/etc/pems/\${ssl_server_name}.pem"; }
  server { listen 80; server_name plain.example; return 301 https://$host$request_uri; }
  server {
    listen 443 ssl; listen [::]:443 ssl;
    server_name media.hachyderm.io
                "cdn.hachyderm.io";
    ssl_certificate     /etc/letsencrypt/live/media.hachyderm.io/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/media.hachyderm.io/privkey.pem;
    location ~ ^/a{2,3}$ { proxy_pass http://core; }
  }
  server { listen 443 ssl; server_name inherits.example; }
  server { listen 8443 ssl; server_name second.example; ssl_certificate "/etc/letsencrypt/live/media.hachyderm.io/fullchain.pem"; }
# configuration file /etc/nginx/conf.d/dynamic.conf:
  server { listen 443 ssl; server_name dynamic.example; ssl_certificate $pem; ssl_certificate data:$secret; }
}
stream { server { listen 993 ssl; ssl_certificate /etc/mail.pem; } }
`

const reads = [
  {
    file: '/etc/letsencrypt/live/media.hachyderm.io/fullchain.pem',
    key: '/etc/letsencrypt/live/media.hachyderm.io/privkey.pem',
    serverNames: ['media.hachyderm.io', 'cdn.hachyderm.io'],
  },
  { file: '/etc/nginx/shared/fullchain.pem', serverNames: ['inherits.example'] },
  { file: '/etc/letsencrypt/live/media.hachyderm.io/fullchain.pem', serverNames: ['second.example'] },
  { file: '$pem', serverNames: ['dynamic.example'] },
  { file: 'data:', serverNames: ['dynamic.example'] },
  { file: '/etc/mail.pem', serverNames: [] },
]

describe.for(shells)('on %s', (sh) => {
  test('tells what lies on disk for each certificate', async () => {
    using fake = fakeNode()
    fake.lay(seven, one, two)
    writeFileSync(fake.path('archive', certificate, 'privkey9.pem'), 'odd', { mode: 0o640 })
    for (const name of ['privkey01.pem', 'privkeyX.pem', 'cert1000000000000000.pem', 'old stuff', 'x;y'])
      writeFileSync(fake.path('archive', certificate, name), '')
    writeFileSync(fake.path('live', certificate, 'combined.pem'), '')
    const { lineages } = await inspect(fake.shell({ sh }), fake.node, [certificate, 'absent.example'])
    const lineage = lineages[certificate]
    const sums = filesOf(two)
    expect(lineage).toMatchObject({
      certificate,
      liveDirectory: 'directory',
      leaf: two.leaf,
      pair: 'matches',
      renewalFile: true,
      live: {
        privkey: {
          is: 'link',
          target: `../../archive/${certificate}/privkey2.pem`,
          number: 2,
          sha256: sha256(sums.privkey),
        },
        fullchain: { is: 'link', number: 2, sha256: sha256(sums.fullchain) },
      },
    })
    expect(lineage?.archive).toHaveLength(13)
    expect(lineage?.archive).toContainEqual({
      kind: 'privkey',
      number: 9,
      sha256: sha256('odd'),
      mode: '640',
      owner: 'root:root',
    })
    expect(lineage?.odd.toSorted()).toEqual([
      'cert1000000000000000.pem',
      'combined.pem',
      'old stuff',
      'privkey01.pem',
      'privkeyX.pem',
      'x;y',
    ])
    expect(lineages['absent.example']).toEqual({
      certificate: 'absent.example',
      live: {
        privkey: { is: 'missing' },
        cert: { is: 'missing' },
        chain: { is: 'missing' },
        fullchain: { is: 'missing' },
      },
      liveDirectory: 'missing',
      folders: ['.', 'live', 'archive'].map((path) => ({
        path,
        is: 'directory',
        mode: '700',
        owner: 'root:root',
        foreign: false,
      })),
      archive: [],
      odd: [],
      pair: 'unknown',
      renewalFile: false,
      siblings: [],
    })
  })

  test('tells what is no plain link into the archive', async () => {
    using fake = fakeNode()
    fake.lay(one, two)
    const live = (kind: string) => fake.path('live', certificate, `${kind}.pem`)
    for (const kind of ['privkey', 'cert', 'chain', 'fullchain']) unlinkSync(live(kind))
    symlinkSync(fake.path('archive', certificate, 'privkey1.pem'), live('privkey'))
    writeFileSync(live('cert'), two.leaf)
    symlinkSync("../it's gone $(id)", live('chain'))
    symlinkSync('fullchain.pem', live('fullchain'))
    const { lineages } = await inspect(fake.shell({ sh }), fake.node, [certificate])
    expect(lineages[certificate]?.live).toMatchObject({
      privkey: { is: 'link', target: fake.path('archive', certificate, 'privkey1.pem'), number: 1 },
      cert: { is: 'file', sha256: sha256(two.leaf) },
      chain: { is: 'link' },
      fullchain: { is: 'link', target: 'fullchain.pem' },
    })
    expect(lineages[certificate]?.live.chain).not.toHaveProperty('sha256')
    expect(lineages[certificate]).toMatchObject({ leaf: two.leaf, pair: 'differs' })

    rmSync(fake.path('live', certificate), { recursive: true })
    symlinkSync('elsewhere', fake.path('live', certificate))
    const again = await inspect(fake.shell({ sh }), fake.node, [certificate])
    expect(again.lineages[certificate]?.liveDirectory).toBe('link')
  })

  test('tells whose folders they are, who may write there, and of lineages that certbot made beside', async () => {
    using fake = fakeNode()
    fake.lay(one)
    chmodSync(fake.path('live'), 0o777)
    chownSync(fake.path('archive', certificate), 65534, 0)
    rmSync(fake.path('live', certificate), { recursive: true })
    symlinkSync('elsewhere', fake.path('live', certificate))
    for (const name of ['0001', '0002', '1', 'cdn'])
      mkdirSync(fake.path('live', `${certificate}-${name}`), { recursive: true })
    writeFileSync(fake.path('renewal', `${certificate}-0002.conf`), '')
    const { root, lineages } = await inspect(fake.shell({ sh }), fake.node, [certificate])
    expect(root).toBe(fake.root)
    const { folders, siblings } = lineages[certificate]!
    expect(folders).toMatchObject([
      { path: '.', is: 'directory', foreign: false },
      { path: 'live', mode: '777', foreign: false },
      { path: 'archive', owner: 'root:root', foreign: false },
      { path: `live/${certificate}`, is: 'link', target: 'elsewhere' },
      { path: `archive/${certificate}`, is: 'directory', owner: 'nobody:root', foreign: true },
    ])
    expect(siblings).toEqual([
      { name: `${certificate}-0001`, renewalFile: false },
      { name: `${certificate}-0002`, renewalFile: true },
    ])
  })

  test('reads the certificates nginx is told to use, and nothing else of its configuration', async () => {
    using fake = fakeNode()
    const dump = join(fake.folder, 'dump')
    writeFileSync(dump, configuration)
    fake.will('test', `echo 'nginx: test is successful' >&2; case "$*" in *-T*) cat ${dump} ;; esac`)
    const input: string[] = []
    const shell = fake.shell({ sh })
    const { services, reads: read } = await inspect(
      {
        ...shell,
        run: (text, options) => shell.run(text, { ...options, onLine: (line) => input.push(line) }),
      },
      fake.node,
      [],
    )
    expect(services).toEqual({
      nginx: {
        unit: 'nginx',
        installed: true,
        running: true,
        combined: false,
        test: { command: 'nginx -t', ok: true, output: 'nginx: test is successful' },
      },
    })
    expect(read).toEqual(reads)
    expect(input.join('\n')).not.toMatch(/core|www-data|secret/)
    expect(fake.calls()).toEqual(['nginx -T'])
  })

  test('runs a test that is no nginx -t as it is, and knows of no reads then', async () => {
    const services = nginxAlone({ test: ['/bin/echo', 'one  two', '-t'], reload: ['/bin/false'] })
    using fake = fakeNode({ services })
    const seen = await inspect(fake.shell({ sh }), fake.node, [])
    expect(seen.services['nginx']?.test).toMatchObject({ ok: true, output: 'one  two -t' })
    expect(seen.reads).toEqual([])
  })
})

test('gives nginx words when the test fails, and a hanging test its limit', async () => {
  using fake = fakeNode()
  fake.will('test', `printf '\\033[31mnginx: [emerg] no\\n'; exit 1`)
  expect((await inspect(fake.shell(), fake.node, [])).services['nginx']?.test).toMatchObject({
    ok: false,
    output: 'nginx: [emerg] no',
  })
  fake.will('test', 'exec sleep 60')
  expect((await inspect(fake.shell(), fake.node, [], { limit: 1 })).services['nginx']?.test.ok).toBe(false)
  // A process that the test leaves behind holds its output open.
  fake.will('test', 'sleep 60 & echo fine')
  expect((await inspect(fake.shell(), fake.node, [], { limit: 5 })).services['nginx']?.test).toMatchObject({
    ok: true,
    output: 'fine',
  })
})

test('knows a node without nginx, and an nginx that is stopped', async () => {
  using fake = fakeNode({
    services: nginxAlone({ test: ['/opt/none/nginx', '-t'], reload: ['systemctl', 'reload', 'openresty'] }),
  })
  fake.will('status', 'shift; case $* in openresty) echo active ;; *) echo inactive ;; esac')
  const seen = await inspect(fake.shell({ without: ['/usr/sbin/nginx'] }), fake.node, [])
  expect(seen.services['nginx']).toMatchObject({
    installed: false,
    running: true,
    test: { ok: false, output: '/opt/none/nginx is not installed' },
  })
  fake.will('status', 'echo inactive; exit 3')
  expect((await inspect(fake.shell(), fake.node, [])).services['nginx']).toMatchObject({
    installed: true,
    running: false,
  })
})

test('tells the ways that certbot runs by itself', async () => {
  using fake = fakeNode()
  const cron = (text: string, more = '') => {
    const file = join(fake.folder, 'crontab')
    writeFileSync(file, text)
    return { setup: `mount -t tmpfs tmpfs /etc/cron.d && cp ${file} /etc/cron.d/certbot; ${more}` }
  }
  const debian = `0 */12 * * * root test -x /usr/bin/certbot -a \\! -d /run/systemd/system && certbot -q renew\n`
  const seen = async (options: { setup?: string }) =>
    (await inspect(fake.shell(options), fake.node, [])).certbot
  expect(await seen(cron(`# certbot was here\n${debian}`))).toEqual({ timer: false, cron: false })
  expect(await seen(cron(debian, 'rmdir /run/systemd/system'))).toEqual({ timer: false, cron: true })
  expect(await seen(cron(`${debian}@daily root certbot renew\n`))).toEqual({ timer: false, cron: true })
  fake.will(
    'status',
    'shift; for unit; do case $unit in certbot.timer) echo active ;; *) echo inactive ;; esac; done',
  )
  expect(await seen(cron('', 'touch /run/systemd/system/certbot.timer'))).toEqual({
    timer: true,
    cron: false,
  })
  expect(await seen(cron('', 'touch /run/systemd/system/certbot-renew.timer'))).toEqual({
    timer: false,
    cron: false,
  })
})

test('tells how live can be switched', async () => {
  using fake = fakeNode()
  const exchange = async (without: string[]) =>
    (await inspect(fake.shell({ without }), fake.node, [])).exchange
  expect(await exchange([])).toBe('perl')
  expect(await exchange(['/usr/bin/perl'])).toBe('python3')
  expect(await exchange(['/usr/bin/perl', '/usr/bin/python3'])).toBe('none')
})

test('tells the newest versions of an archive that has grown for years, and of many certificates', async () => {
  using fake = fakeNode()
  const names = Array.from({ length: 20 }, (_, i) => `site-${i}.example.com`)
  for (const name of names) {
    mkdirSync(fake.path('archive', name))
    for (let n = 1; n <= 60; n++)
      for (const kind of ['privkey', 'cert', 'chain', 'fullchain'])
        writeFileSync(fake.path('archive', name, `${kind}${n}.pem`), `${name} ${n}`)
  }
  writeFileSync(fake.path('archive', names[0]!, 'privkey1000000000.pem'), '')
  const { lineages } = await inspect(fake.shell(), fake.node, names)
  const numbers = (name: string) =>
    [...new Set(lineages[name]?.archive.map(({ number }) => number))].toSorted((a, b) => a - b)
  expect(Object.keys(lineages)).toEqual(names)
  expect(numbers(names[19]!)).toEqual([49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60])
  expect(numbers(names[0]!)).toEqual([50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 1_000_000_000])
})

test('does not take for missing what it may not look at', async () => {
  using fake = fakeNode()
  fake.lay(one)
  chmodSync(fake.folder, 0o755)
  const around = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
  const error = await nodeFailure(inspect(fake.shell({ around }), fake.node, [certificate]))
  expect(error).toMatchObject({
    step: 'inspect',
    left: 'unchanged',
    message: `sally: can't open ${fake.root}`,
  })
})

test('tells of a root that is missing, and the room where it would be', async () => {
  using fake = fakeNode()
  rmSync(join(fake.folder, 'etc'), { recursive: true })
  const seen = await inspect(fake.shell(), fake.node, [certificate])
  expect(seen.lineages[certificate]).toMatchObject({ liveDirectory: 'missing', archive: [] })
  expect(seen.disk.writable).toBe(true)
  expect(seen.disk.freeBytes).toBeGreaterThan(1_000_000)
  expect(Math.abs(Date.parse(seen.clock) - Date.now())).toBeLessThan(20_000)
})

test.skipIf(straceMissing)('writes nothing anywhere', async () => {
  for (const sh of shells) {
    using fake = fakeNode()
    fake.lay(one, two)
    const before = snapshot(fake.root)
    const trace = join(fake.folder, 'trace')
    const calls =
      'trace=openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir'
    const around = ['strace', '-f', '-o', trace, '-e', calls]
    fake.will('test', 'exit 0')
    await inspect(fake.shell({ sh, around }), fake.node, [certificate])
    const writes = readFileSync(trace, 'utf8')
      .split('\n')
      .filter(
        (line) =>
          /O_WRONLY|O_RDWR|O_CREAT|mkdir|rename|link|rmdir/.test(line) &&
          !/"\/dev\/(null|tty)"|\/calls"/.test(line),
      )
      // An attempt that can only fail: a read-only mount answers it in its own way.
      .filter((line) => !/rmdir\(".*\/\.certs-[0-9a-f]+"\) = -1 ENOENT/.test(line))
    expect(writes).toEqual([])
    expect(snapshot(fake.root)).toEqual(before)
  }
})
