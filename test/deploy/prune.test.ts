import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { audit } from '../../deploy/audit.ts'
import { forget, listBackups, mend, prune, restore, weigh } from '../../deploy/prune.ts'
import type { Shell } from '../../deploy/shell.ts'
import type { Version } from '../../src/core/certificate.ts'
import type { Candidate, PruneItem, PruneTarget } from '../../src/core/prune.ts'
import { fakeNode, shells, snapshot, type FakeNode } from '../support/fake-node.ts'
import { certificate, one, three, two } from '../support/installing.ts'
import { issueVersion } from '../support/issue-version.ts'
import { nodeFailure } from '../support/node-failure.ts'
import { sealedShell } from '../support/sealed-shell.ts'

vi.setConfig({ testTimeout: 60_000 })

const backup = '20261123T120000Z-abcdef'
const gone: Version = { ...(await issueVersion('gone.example', 1)), certificate: 'gone.example' }

/** A node on version 3 with two older ones, a lineage that nobody reads, and a copy of key and certificate elsewhere. */
function prepared(): FakeNode & { readonly copy: (name: string) => string } {
  const fake = fakeNode()
  fake.lay(one, two, three)
  fake.lay(gone)
  const folder = join(fake.folder, 'root/archive')
  mkdirSync(folder, { recursive: true })
  const copy = (name: string) => join(folder, name)
  writeFileSync(copy('privkey2.pem'), two.key.reveal(), { mode: 0o640 })
  writeFileSync(copy("it's $(full) chain.pem"), two.leaf + two.chain)
  symlinkSync("it's $(full) chain.pem", copy('link.pem'))
  const dump = join(fake.folder, 'dump')
  writeFileSync(dump, `# configuration file ${fake.folder}/etc/nginx/nginx.conf:\n${reads(fake)}`)
  fake.will('test', `[ "$1" = -t ] || cat ${dump}`)
  const shell: FakeNode['shell'] = ({ setup = '', ...more } = {}) =>
    fake.shell({ ...more, setup: `${quiet}\n${setup}` })
  return { ...fake, shell, copy, [Symbol.dispose]: () => fake[Symbol.dispose]() }
}

/** What lies about on the machine that runs the test names nothing. */
const quiet = 'for folder in /root /opt /srv; do mount -t tmpfs tmpfs $folder; done'

const reads = (fake: FakeNode, file = fake.path('live', certificate, 'fullchain.pem')) =>
  `http { server { listen 443 ssl; ssl_certificate ${file}; } }\n`

const candidate = (target: PruneTarget): Candidate => ({
  kind: 'orphan',
  target,
  label: '',
  what: '',
  because: '',
  lost: false,
})
const version = (number: number) => candidate({ is: 'version', name: certificate, number })
const lineage = candidate({ is: 'lineage', name: 'gone.example', links: [] })
const copies = ({ copy }: ReturnType<typeof prepared>) => {
  const paths = ['privkey2.pem', "it's $(full) chain.pem", 'link.pem'].map((name) => copy(name))
  return candidate({ is: 'files', paths })
}

/** As a plan has them that nothing speaks against. */
async function itemsOf(shell: Shell, fake: FakeNode, candidates: readonly Candidate[]): Promise<PruneItem[]> {
  const { items } = await weigh(shell, fake.node, { candidates })
  return candidates.map((each, index) => ({ ...each, entries: items[index]!.entries, notes: [] }))
}

/** Everything of the node but times, inodes and what is ours in its folder. */
function left(fake: FakeNode): Record<string, string> {
  const all = snapshot(fake.folder, { times: false })
  return Object.fromEntries(Object.entries(all).filter(([path]) => /^(etc|root)/.test(path)))
}

const files = (fake: FakeNode) => Object.keys(left(fake)).filter((path) => /\.(pem|conf)$/.test(path))

describe.for(shells)('on %s', (sh) => {
  test('what is of no use goes into a backup and comes back byte for byte, with modes and owners', async () => {
    using fake = prepared()
    const shell = fake.shell({ sh })
    const before = left(fake)
    const items = await itemsOf(shell, fake, [version(1), lineage, copies(fake)])
    expect(items.map(({ entries }) => entries.length)).toEqual([4, 12, 3])
    expect(left(fake)).toEqual(before)

    const done = await prune(shell, fake.node, { items, backup })
    expect(done).toEqual({ backup, gone: [0, 1, 2], kept: [], recovered: [] })
    expect(files(fake).filter((path) => !path.includes('pruned'))).toEqual(
      files(fake).filter((path) => path.includes(certificate) && !path.includes('pruned')),
    )
    expect(readdirSync(fake.path('archive', certificate)).toSorted()[0]).toBe('cert2.pem')
    expect(readdirSync(fake.path('live'))).toEqual([certificate])
    const saved = fake.path('pruned', backup, 'files', fake.copy('privkey2.pem'))
    expect(readFileSync(saved, 'utf8')).toBe(two.key.reveal())
    expect(statSync(fake.path('pruned')).mode & 0o777).toBe(0o700)
    expect((await listBackups(shell, fake.node))[0]).toMatchObject({
      node: 'sally',
      id: backup,
      unfinished: false,
      files: 17,
    })
    const { files: seen } = await audit(shell, fake.node, { folders: [fake.folder] })
    expect(seen.filter(({ path }) => path.includes('pruned'))).toEqual([])

    expect(await restore(shell, fake.node, { backup })).toBe(17)
    expect(left(fake)).toEqual(before)
    expect(await listBackups(shell, fake.node)).toEqual([])
  })

  test('what changed, or came into use since it was shown, stays', async () => {
    using fake = prepared()
    const shell = fake.shell({ sh })
    const before = await itemsOf(shell, fake, [version(1), version(2), lineage, copies(fake)])
    writeFileSync(fake.path('live/gone.example/new'), 'x')
    symlinkSync(
      fake.path('archive', certificate, 'fullchain1.pem'),
      fake.path('live', certificate, 'odd.pem'),
    )
    writeFileSync(
      join(fake.folder, 'dump'),
      `# configuration file /x/nginx.conf:\n${reads(fake, fake.copy('link.pem'))}`,
    )
    const done = await prune(shell, fake.node, { items: before, backup })
    expect(done).toEqual({
      backup,
      gone: [1],
      kept: [
        { item: 0, because: `${fake.path('live', certificate, 'odd.pem')} leads to it now` },
        { item: 2, because: 'it changed meanwhile' },
        { item: 3, because: `nginx reads ${fake.copy('link.pem')} now` },
      ],
      recovered: [],
    })
    expect(existsSync(fake.path('archive', certificate, 'privkey1.pem'))).toBe(true)
    expect(existsSync(fake.path('archive', certificate, 'privkey2.pem'))).toBe(false)
    expect(existsSync(fake.path('live/gone.example/privkey.pem'))).toBe(true)
  })

  test('what nginx or live reads through its links stays, however they are laid', async () => {
    using fake = prepared()
    const shell = fake.shell({ sh })
    const far = join(fake.folder, 'root/far.pem')
    const [mine, theirs] = [
      fake.path('live/gone.example/other.pem'),
      fake.path('live', certificate, 'fullchain.pem'),
    ]
    symlinkSync(`../${certificate}/fullchain.pem`, mine)
    symlinkSync('../etc/letsencrypt/live/gone.example/other.pem', far)
    const weighOne = async () => (await weigh(shell, fake.node, { candidates: [lineage] })).items[0]!
    const [items, before] = [await itemsOf(shell, fake, [lineage]), left(fake)]
    expect(await weighOne()).toMatchObject({ led: [], named: [] })
    const dump = (file: string) =>
      writeFileSync(join(fake.folder, 'dump'), `# configuration file /x/nginx.conf:\n${reads(fake, file)}`)
    for (const file of [mine, far]) {
      dump(file)
      const { kept } = await prune(shell, fake.node, { items, backup })
      expect(kept).toEqual([{ item: 0, because: `nginx reads ${file} now` }])
    }
    dump(theirs)
    const through = fake.path('live', certificate, 'through.pem')
    symlinkSync('../gone.example/other.pem', through)
    expect((await prune(shell, fake.node, { items, backup })).kept[0]?.because).toBe(
      `${through} leads to it now`,
    )
    expect(await weighOne()).toMatchObject({ led: [through] })
    expect({ ...left(fake), ...before }).toEqual(left(fake))
  })

  test('whoever names it in a configuration or an argument is told, but for comments and what is not in use', async () => {
    using fake = prepared()
    const etc = join(fake.folder, 'other')
    mkdirSync(join(etc, 'nginx'), { recursive: true })
    writeFileSync(
      join(etc, 'haproxy.cfg'),
      `# ${fake.copy('privkey2.pem')}\nbind :443 crt ${fake.copy('')}\n`,
    )
    writeFileSync(
      join(etc, 'exim.conf'),
      `tls = ${fake.path('live/gone.example')}/privkey.pem;password=hunter2\n`,
    )
    const setup = `mount --bind ${etc} /usr/local/sbin; sh -c 'sleep 20; :' ${fake.path('archive', certificate, 'privkey1.pem')} &`
    const said: string[] = []
    const inner = fake.shell({ sh, setup })
    const run: Shell['run'] = (input, options) =>
      inner.run(input, { ...options, onLine: (line) => said.push(line) })
    const { items } = await weigh({ ...inner, run }, fake.node, {
      candidates: [version(1), version(2), lineage, copies(fake)],
    })
    expect(items.map(({ named }) => named)).toEqual([
      [expect.stringMatching(/^process sh \(pid \d+\)$/)],
      [],
      ['/usr/local/sbin/exim.conf:1'],
      ['/usr/local/sbin/haproxy.cfg:2'],
    ])
    expect(said.join('\n')).not.toContain('hunter2')
  })

  test('what is mounted for a process under another path is in use', async () => {
    using fake = prepared()
    const setup = `mkdir -p /run/box && mount --bind ${fake.path('live/gone.example')} /run/box`
    const { items } = await weigh(fake.shell({ sh, setup }), fake.node, { candidates: [lineage, version(1)] })
    expect(items.map(({ named }) => named.length > 0)).toEqual([true, false])
    expect(items[0]!.named[0]).toMatch(/^process \S+ \(pid \d+\)$/)
  })

  test('when nginx fails without it, everything is put back, and that is said', async () => {
    using fake = prepared()
    const shell = fake.shell({ sh })
    const items = await itemsOf(shell, fake, [version(1), copies(fake)])
    const before = left(fake)
    const dump = join(fake.folder, 'dump')
    fake.will('test', `[ -e ${fake.copy('link.pem')} ] || { echo 'cannot load'; exit 1; }; cat ${dump}`)
    const error = await nodeFailure(prune(shell, fake.node, { items, backup }))
    expect(error).toMatchObject({
      message: 'sally: nginx -t fails without what was taken away',
      step: 'prune',
      left: 'restored',
      exitCode: 1,
      detail: 'cannot load',
      hints: ['everything was put back as it was'],
    })
    expect(left(fake)).toEqual(before)
  })
})

test('what is there now is not written over by a backup, and nothing of it is put back then', async () => {
  using fake = prepared()
  const shell = fake.shell()
  await prune(shell, fake.node, { items: await itemsOf(shell, fake, [version(1), copies(fake)]), backup })
  writeFileSync(fake.copy('privkey2.pem'), 'another')
  const before = left(fake)
  const error = await nodeFailure(restore(shell, fake.node, { backup }))
  expect(error).toMatchObject({
    message: 'sally: something is in the way, so nothing was put back',
    left: 'unchanged',
    detail: `${fake.copy('privkey2.pem')} is there already, with other bytes`,
  })
  expect(left(fake)).toEqual(before)
})

test('a backup is discarded for good, and leaves no folder', async () => {
  using fake = prepared()
  const shell = fake.shell()
  await prune(shell, fake.node, { items: await itemsOf(shell, fake, [lineage]), backup })
  await expect(forget(shell, fake.node, { backup: 'other' })).rejects.toThrow('there is no such backup')
  await forget(shell, fake.node, { backup })
  expect(existsSync(fake.path('pruned'))).toBe(false)
})

test('a node without the folder gets one for the backup, and it goes with it', async () => {
  using fake = prepared()
  const root = join(fake.folder, 'etc/none')
  const node = { ...fake.node, root }
  const shell = fake.shell()
  const items = await itemsOf(shell, { ...fake, node }, [copies(fake)])
  const before = left(fake)
  expect(await prune(shell, node, { items, backup })).toMatchObject({ gone: [0] })
  expect(statSync(root).mode & 0o777).toBe(0o700)
  await restore(shell, node, { backup })
  expect(left(fake)).toEqual(before)
})

test('where nothing can be linked it is copied, compared and only then removed', async () => {
  using fake = prepared()
  // As between two file systems.
  writeFileSync(join(fake.folder, 'ln'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  const shell = fake.shell({ setup: `mount --bind ${fake.folder}/ln /usr/bin/ln` })
  const before = left(fake)
  const items = await itemsOf(shell, fake, [version(1), lineage, copies(fake)])
  expect((await prune(shell, fake.node, { items, backup })).gone).toEqual([0, 1, 2])
  expect(files(fake).filter((path) => path.includes('.part'))).toEqual([])
  await restore(shell, fake.node, { backup })
  expect(left(fake)).toEqual(before)
})

test('a name with several links, and a folder that something came into, lose nothing', async () => {
  using fake = prepared()
  const shell = fake.shell()
  linkSync(fake.copy('privkey2.pem'), join(fake.folder, 'root/hard.pem'))
  const items = await itemsOf(shell, fake, [copies(fake)])
  const before = left(fake)
  await prune(shell, fake.node, { items, backup })
  expect(readFileSync(join(fake.folder, 'root/hard.pem'), 'utf8')).toBe(two.key.reveal())
  await restore(shell, fake.node, { backup })
  expect(left(fake)).toEqual(before)
  expect(statSync(fake.copy('privkey2.pem')).nlink).toBe(2)
})

test('where nginx names a file by a variable, or its test fails, nothing is taken', async () => {
  using fake = prepared()
  const shell = fake.shell()
  const items = await itemsOf(shell, fake, [lineage])
  const before = left(fake)
  const dump = join(fake.folder, 'dump')
  writeFileSync(dump, `# configuration file /x/nginx.conf:\n${reads(fake, '/tls/$ssl_server_name.pem')}`)
  await expect(prune(shell, fake.node, { items, backup })).rejects.toThrow('nginx does not say what it reads')
  fake.will('test', 'echo emerg; exit 1')
  await expect(prune(shell, fake.node, { items, backup })).rejects.toThrow('fails on the node as it is')
  expect(left(fake)).toEqual(before)
})

test.each<[string, Candidate, string]>([
  ['a lineage that is a path', candidate({ is: 'lineage', name: '../x', links: [] }), 'order'],
  ['a version that is a path', candidate({ is: 'version', name: '..', number: 1 }), 'order'],
  ['no number', candidate({ is: 'version', name: 'x', number: -1 }), 'order'],
])('%s is refused', async (_, wrong, code) => {
  using fake = prepared()
  await expect(weigh(fake.shell(), fake.node, { candidates: [wrong] })).rejects.toThrow(
    `refused weigh (${code}`,
  )
})

test.each(['../x', '.', 'a/b', '-x'])('a backup named %s is refused', async (id) => {
  using fake = prepared()
  const before = left(fake)
  const shell = fake.shell()
  await expect(restore(shell, fake.node, { backup: id })).rejects.toThrow('refused restore (order')
  await expect(forget(shell, fake.node, { backup: id })).rejects.toThrow('refused forget (order')
  expect(left(fake)).toEqual(before)
})

test('a login that takes orders only can do none of it, inside of its root neither', async () => {
  using fake = prepared()
  const items = await itemsOf(fake.shell(), fake, [version(1), copies(fake)])
  const before = left(fake)
  const shell = sealedShell(fake)
  const acts = [
    () => weigh(shell, fake.node, { candidates: [lineage] }),
    () => prune(shell, fake.node, { items, backup }),
    () => mend(shell, fake.node),
    () => listBackups(shell, fake.node),
    () => restore(shell, fake.node, { backup }),
    () => forget(shell, fake.node, { backup }),
  ]
  for (const act of acts) {
    await expect(act()).rejects.toMatchObject({
      message: 'sally: its login can not do that, and is not meant to',
      hints: [expect.stringContaining('certs prune --node sally --login root')],
    })
  }
  expect(left(fake)).toEqual(before)
})
