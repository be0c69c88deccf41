import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { audit } from '../../deploy/audit.ts'
import { readLeaf } from '../../src/core/certificate.ts'
import type { Said, Shell } from '../../deploy/shell.ts'
import type { Material } from '../../src/core/material.ts'
import { readNginxUse } from '../../src/core/nginx-configuration.ts'
import { fakeNode, shells, snapshot, type FakeNode } from '../support/fake-node.ts'
import { issueVersion } from '../support/issue-version.ts'
import { nodeFailure } from '../support/node-failure.ts'
import { sealedShell } from '../support/sealed-shell.ts'
import { straceMissing } from '../support/strace.ts'
import { makeCertificate } from '../support/x509.ts'

vi.setConfig({ testTimeout: 60_000 })

const certificate = 'media.hachyderm.io'
const [one, two] = await Promise.all([1, 2].map((number) => issueVersion(certificate, number)))
if (!one || !two) throw new Error('no versions')
const spki = (leaf: string) => readLeaf(leaf).spki

/** A node with both versions, and a folder of nginx beside certbot's. */
function messyNode(): FakeNode & { readonly etc: string } {
  const fake = fakeNode()
  fake.lay(one!, two!)
  const etc = join(fake.folder, 'etc/nginx')
  mkdirSync(etc)
  return { ...fake, etc, [Symbol.dispose]: () => fake[Symbol.dispose]() }
}

/** So long that some hundred of them fill an answer. */
const longName = (n: number) => `${n}-${'x'.repeat(200)}.pem`

const at = (material: Material, path: string) => material.files.find((file) => file.path === path)

describe.for(shells)('on %s', (sh) => {
  test('tells where certificates and keys lie, whatever the files are called', async () => {
    using fake = messyNode()
    const odd = join(fake.etc, `it's "a" $(id);b c.txt`)
    writeFileSync(
      odd,
      `\ufeffbundle\r\n${two.key.reveal()}${two.leaf}${two.chain}`.replace('bundle\r\n', ''),
      { mode: 0o644 },
    )
    symlinkSync(`../letsencrypt/live/${certificate}/fullchain.pem`, join(fake.etc, 'current.pem'))
    writeFileSync(join(fake.etc, 'notes.txt'), 'where the certificate is\n'.repeat(10))
    const material = await audit(fake.shell({ sh }), fake.node, { folders: [fake.etc] })

    expect(at(material, odd)).toMatchObject({
      mode: '644',
      owner: 'root:root',
      certificate: { names: [certificate], spki: spki(two.leaf) },
      key: { spki: spki(two.leaf) },
    })
    expect(at(material, join(fake.etc, 'current.pem'))).toMatchObject({
      target: `../letsencrypt/live/${certificate}/fullchain.pem`,
      certificate: { fingerprint: readLeaf(two.leaf).fingerprint },
    })
    const live = at(material, fake.path('live', certificate, 'privkey.pem'))
    const archived = at(material, fake.path('archive', certificate, 'privkey2.pem'))
    expect(live).toMatchObject({
      id: archived!.id,
      target: `../../archive/${certificate}/privkey2.pem`,
      mode: '600',
    })
    expect(archived).toMatchObject({ key: { spki: spki(two.leaf) } })
    expect(material.folders[fake.path('archive')]).toBe('700')
    expect(material.files.map(({ path }) => basename(path)).toSorted()).toEqual(
      [
        ...['cert', 'chain', 'fullchain', 'privkey'].flatMap((kind) => [
          `${kind}.pem`,
          `${kind}1.pem`,
          `${kind}2.pem`,
        ]),
        'current.pem',
        basename(odd),
      ].toSorted(),
    )
    expect(material.renewers.lineages).toEqual([certificate])
    expect(material).not.toHaveProperty('lacking')
  })

  test('tells of the configuration what matters for certificates, and nothing else', async () => {
    using fake = messyNode()
    const dump = join(fake.folder, 'dump')
    writeFileSync(dump, configuration)
    fake.will('test', `echo 'nginx: test is successful' >&2; cat ${dump}`)
    const said: string[] = []
    const shell = fake.shell({ sh })
    const { nginx } = await audit(
      {
        ...shell,
        run: (input, options) => shell.run(input, { ...options, onLine: (line) => said.push(line) }),
      },
      fake.node,
      { folders: [] },
    )
    expect(nginx.test).toEqual({ ok: true, output: 'nginx: test is successful' })
    expect(readNginxUse(nginx.configuration).servers).toMatchObject([
      {
        file: '/etc/nginx/sites/a',
        line: 2,
        names: ['a.example', 'b.example'],
        certificates: [{ path: '/etc/nginx/tls/a.pem', line: 7 }],
      },
      {
        file: '/etc/nginx/sites/b',
        line: 1,
        names: ['c.example'],
        certificates: [{ path: '/all.pem' }, { path: 'data:' }],
      },
    ])
    expect(said.join('\n')).not.toMatch(/hunter2|secret|core/)
  })

  test('tells which files other services name, wherever they lie, and no other word of their configuration', async () => {
    using fake = fakeNode()
    fake.lay(one)
    const live = fake.path('live', certificate)
    const far = join(fake.folder, 'far.pem')
    writeFileSync(far, two.leaf)
    const etc = join(fake.folder, 'overlay')
    const write = (path: string, lines: readonly string[]) => {
      mkdirSync(join(etc, path, '..'), { recursive: true })
      writeFileSync(join(etc, path), lines.map((line) => `${line}\n`).join(''))
    }
    write('haproxy/haproxy.cfg', [
      'global',
      '  crt-base /srv/tls',
      '  # bind :1 ssl crt /commented.pem',
      `  bind :443 ssl crt ${live}/combined.pem crt more.pem crt-list /etc/haproxy/list alpn h2`,
      '  stats auth admin:hunter2 /not/tls',
    ])
    write('haproxy/list', [`${far} [alpn h2] a.example`, '# /commented2.pem'])
    write('apache2/sites-enabled/a.conf', [`  SSLCertificateFile "${live}/fullchain.pem"`])
    write('apache2/sites-available/b.conf', ['  SSLCertificateFile /available.pem'])
    write('postfix/main.cf', [
      'smtpd_tls_chain_files =',
      `  ${live}/privkey.pem,`,
      `  ${live}/fullchain.pem`,
      'mydestination = /not/tls',
    ])
    write('dovecot/dovecot.conf', [`ssl_cert = <${live}/cert.pem`, 'ssl_key_password = /hunter2'])
    write('caddy/Caddyfile', [`  tls ${live}/fullchain.pem ${live}/privkey.pem`])
    let said = ''
    const shell = fake.shell({ sh, setup: `mount -t overlay overlay -o lowerdir=${etc}:/etc /etc` })
    const heard = { ...shell, run: async (input: string) => keep(await shell.run(input)) }
    const keep = (answer: Said) => ((said += answer.stdout), answer)
    const material = await audit(heard, fake.node, { folders: [] })
    const named = material.named.map(({ path, at: where }) => `${where} ${path}`)
    expect(named).toEqual(
      expect.arrayContaining([
        `/etc/haproxy/haproxy.cfg:4 ${live}/combined.pem`,
        '/etc/haproxy/haproxy.cfg:4 /srv/tls/more.pem',
        `/etc/haproxy/list:1 ${far}`,
        `/etc/apache2/sites-enabled/a.conf:1 ${live}/fullchain.pem`,
        `/etc/postfix/main.cf:2 ${live}/privkey.pem`,
        `/etc/postfix/main.cf:3 ${live}/fullchain.pem`,
        `/etc/dovecot/dovecot.conf:1 ${live}/cert.pem`,
        `/etc/caddy/Caddyfile:1 ${live}/fullchain.pem`,
        `/etc/caddy/Caddyfile:1 ${live}/privkey.pem`,
      ]),
    )
    expect(material.files.map(({ path }) => path)).toContain(far)
    expect(said).not.toMatch(/hunter2|not\/tls|commented|available\.pem/)
  })

  test('answers of any length come whole, in pages', async () => {
    using fake = messyNode()
    for (let n = 0; n < 400; n++) writeFileSync(join(fake.etc, longName(n)), two.leaf)
    const shell = fake.shell({ sh })
    const run = vi.fn<Shell['run']>(async (input, options) => shell.run(input, options))
    const material = await audit({ ...shell, run }, fake.node, { folders: [fake.etc] })
    expect(run.mock.calls.length).toBeGreaterThan(1)
    expect(material.files.filter(({ path }) => path.startsWith(fake.etc))).toHaveLength(400)
    expect(material.files.every((file) => file.certificate ?? file.key)).toBe(true)
  })
})

const configuration = String.raw`
# configuration file /etc/nginx/nginx.conf:
user www-data;
http {
  log_format main '$remote_addr { "quoted; brace" }'
                  'secret';
  map $x $y { default "hunter2"; }
  include sites/*;
  ssl_certificate /all.pem; ssl_certificate "data:$secret";
}

# configuration file /etc/nginx/sites/a:
# a comment with server {
server {
  listen 443 ssl; server_name a.example
    "b.example";
  content_by_lua_block { -- it's } {
    local text = "}" .. 'it\'s }'  if x then y = { z = { 1 } } end }
  ssl_certificate tls/a.pem;
  location ~ "^/a{2,3}$" { proxy_set_header Authorization "Basic hunter2"; proxy_pass http://core; }
}

# configuration file /etc/nginx/sites/b:
server { server_name c.example; listen 443 ssl; if ($host = "}") { return 403; } }
`

test('what is written there between two pages makes it begin again', async () => {
  using fake = messyNode()
  for (let n = 0; n < 400; n++) writeFileSync(join(fake.etc, longName(n)), two.leaf)
  const shell = fake.shell()
  let pages = 0
  const run: Shell['run'] = async (input, options) => {
    const said = await shell.run(input, options)
    if (pages++ === 0) writeFileSync(join(fake.etc, '0-new.pem'), two.leaf)
    return said
  }
  const material = await audit({ ...shell, run }, fake.node, { folders: [fake.etc] })
  expect(pages).toBeGreaterThan(3)
  expect(material.files.filter(({ path }) => path.startsWith(fake.etc))).toHaveLength(401)
})

test('a node behind a login that takes orders only is audited too', async () => {
  using fake = messyNode()
  const shell = sealedShell(fake)
  const sent = await audit(fake.shell(), fake.node, { folders: [fake.etc] })
  const { clock } = sent
  expect({ ...(await audit(shell, fake.node, { folders: [fake.etc] })), clock }).toEqual(sent)
})

test('what nginx names is looked at wherever it lies, and a wrong key stays where it is', async () => {
  using fake = messyNode()
  const far = join(fake.folder, 'far')
  mkdirSync(far)
  const locked = await makeCertificate({ subject: '/CN=x', extensions: ['subjectAltName=DNS:x.example'] })
  writeFileSync(join(far, 'x.pem'), locked.cert)
  writeFileSync(
    join(far, 'x.key'),
    `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${'A'.repeat(64)}\n-----END ENCRYPTED PRIVATE KEY-----\n`,
  )
  const dump = join(fake.folder, 'dump')
  writeFileSync(
    dump,
    `# configuration file ${fake.etc}/nginx.conf:\nhttp { ssl_certificate ../../far/x.pem;\n ssl_certificate_key '${far}/x.key'; }\n`,
  )
  fake.will('test', `cat ${dump}`)
  const material = await audit(fake.shell(), fake.node, { folders: [] })
  expect(at(material, join(far, 'x.key'))?.key).toEqual({})
  expect(material.files.find(({ path }) => path.endsWith('x.pem'))?.certificate?.names).toEqual(['x.example'])
})

test('tells what renews certificates by itself, and of an entry of cron only the program', async () => {
  using fake = messyNode()
  const cron = join(fake.folder, 'cron')
  writeFileSync(
    cron,
    '# certbot\n1 2 * * * root TOKEN=hunter2 /root/.acme.sh/acme.sh --cron\n0 3 * * * root test -d /run/systemd/system || certbot renew\n',
  )
  fake.will('status', 'case $2 in certbot.timer) echo active ;; *) echo inactive ;; esac')
  const setup = `mount -t tmpfs tmpfs /etc/cron.d && cp ${cron} /etc/cron.d/renew && chmod 600 /etc/cron.d/renew`
  const { renewers } = await audit(fake.shell({ setup }), fake.node, { folders: [] })
  expect(renewers.timers).toEqual(['certbot.timer'])
  expect(renewers.cron).toContainEqual({ program: 'acme.sh', at: '/etc/cron.d/renew:2' })
  expect(renewers.cron).not.toContainEqual({ program: 'certbot', at: '/etc/cron.d/renew:3' })
})

test('does not take for absent what it may not look at', async () => {
  using fake = messyNode()
  chmodSync(fake.folder, 0o755)
  const around = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
  const error = await nodeFailure(audit(fake.shell({ around }), fake.node, { folders: [] }))
  expect(error).toMatchObject({ step: 'inspect', message: `sally: can't open ${fake.root}` })
})

test('says what it lacks where it lacks something', async () => {
  using fake = messyNode()
  const blind = await audit(fake.shell({ without: ['/usr/bin/xargs'] }), fake.node, { folders: [] })
  expect(blind).toMatchObject({ files: [], lacking: 'find and xargs are not installed there' })
  const keys = await audit(fake.shell({ without: ['/usr/bin/openssl'] }), fake.node, { folders: [] })
  expect(at(keys, fake.path('archive', certificate, 'privkey2.pem'))?.key).toEqual({})
})

test.skipIf(straceMissing)('writes nothing, and no key leaves its file but into openssl', async () => {
  using fake = messyNode()
  const before = snapshot(fake.folder)
  const trace = join('/dev/shm', `certs-trace-${process.pid}`)
  const around = [
    'strace',
    '-f',
    '-s',
    '4000',
    '-o',
    trace,
    '-e',
    'trace=openat,open,creat,mkdir,rename,unlink,write,execve',
  ]
  const said: string[] = []
  try {
    const shell = fake.shell({ around })
    await audit(
      {
        ...shell,
        run: async (input, options) => {
          const all = await shell.run(input, options)
          said.push(all.stdout)
          return all
        },
      },
      fake.node,
      { folders: [fake.etc] },
    )
    const calls = readFileSync(trace, 'utf8').split('\n')
    expect(
      calls.filter(
        (line) =>
          /O_WRONLY|O_RDWR|O_CREAT|mkdir\(|rename\(|unlink\(/.test(line) &&
          !/"\/dev\/(null|tty)"|calls"/.test(line),
      ),
    ).toEqual([])
    const secret = two.key.reveal().split('\n')[1]!
    expect(
      calls.filter((line) => /write\(|execve\(/.test(line) && line.includes(secret.slice(0, 40))),
    ).toEqual([])
    expect(said.join('')).not.toContain(secret.slice(0, 20))
    expect(said.join('')).toContain(' public ')
  } finally {
    await import('node:fs/promises').then(({ rm }) => rm(trace, { force: true }))
  }
  const after = snapshot(fake.folder)
  expect({ ...after, calls: '' }).toEqual({ ...before, calls: '' })
})

test('a node that is never the same twice is looked at for a while, and then told of', async () => {
  using fake = messyNode()
  let calls = 0
  const shell: Shell = {
    ...fake.shell(),
    async run(input): Promise<Said> {
      const token = /\ntoken (\S+)\n/.exec(input)?.[1]
      calls += 1
      return {
        stdout: `${token} lines ${calls}\n${token} more 2\n${token} end ok\n`,
        stderr: '',
        exitCode: 0,
      }
    },
  }
  const material = await audit(shell, fake.node, { folders: [] })
  expect(material.lacking).toBe('it holds more than 40 answers do, or is never the same twice')
  expect(calls).toBeLessThan(50)
})
