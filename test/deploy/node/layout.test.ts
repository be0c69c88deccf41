import { createHash } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { inspect } from '../../../deploy/inspect.ts'
import { install, rollback } from '../../../deploy/install.ts'
import type { LayoutAdoption } from '../../../src/core/layout-adoption.ts'
import type { Replacement } from '../../../src/core/layout-reads.ts'
import { sealedShell } from '../../support/sealed-shell.ts'
import { fileKinds, filesOf, sha256 } from '../../../src/core/certificate.ts'
import { fakeNode, shells, snapshot, type FakeNode } from '../../support/fake-node.ts'
import {
  bring,
  certificate,
  linksIn,
  linksOnly,
  linksTo,
  livePath,
  one,
  order,
  three,
  two,
} from '../../support/installing.ts'
import { nodeFailure } from '../../support/node-failure.ts'

vi.setConfig({ testTimeout: 60_000 })

const four = { ...three, number: 4 }
const nothing: LayoutAdoption = { modes: [], reads: [] }

/** A node that holds version 1, and in live the files of another as they were copied. */
function copied(): FakeNode {
  const fake = fakeNode()
  fake.lay(one)
  const files = filesOf(three)
  for (const kind of fileKinds) {
    unlinkSync(livePath(fake, kind))
    writeFileSync(livePath(fake, kind), files[kind], { mode: kind === 'privkey' ? 0o644 : 0o664 })
  }
  return fake
}

/** The sums of all files there are, whatever they are called. */
function sums(folder: string): Set<string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
  const files = names.filter((name) => name.isFile()).map((name) => join(name.parentPath, name.name))
  return new Set(files.map((file) => createHash('sha256').update(readFileSync(file)).digest('hex')))
}

const keep = { ...nothing, keep: { number: 2, copied: fileKinds } }

describe.for(shells)('on %s', (sh) => {
  const options = { sh }
  test('real files in live are kept in the archive as a version to go back to, and links take their place', async () => {
    using fake = copied()
    const before = sums(fake.root)
    const done = await bring(fake, { version: four, adoption: keep }, options)
    expect(done).toMatchObject({ outcome: 'installed', former: 2 })
    expect(linksIn(fake)).toEqual(linksTo(4))
    for (const sum of before) expect(sums(fake.root)).toContain(sum)
    const modes = fileKinds.map(
      (kind) => statSync(fake.path('archive', certificate, `${kind}2.pem`)).mode & 0o7777,
    )
    expect(modes).toEqual([0o640, 0o644, 0o644, 0o644])

    const back = await rollback(fake.shell(options), fake.node, { certificate, number: 2 })
    expect(back).toMatchObject({ outcome: 'installed', lineage: { pair: 'matches' } })
    expect(readFileSync(livePath(fake, 'fullchain'), 'utf8')).toBe(filesOf(three).fullchain)
  })

  test('the same is undone, byte for byte, when nginx refuses what comes', async () => {
    using fake = copied()
    chmodSync(fake.path('live'), 0o777)
    chownSync(fake.path('archive', certificate), 65534, 65534)
    const before = snapshot(fake.root, { times: false })
    const modes = [
      { path: 'live', was: '' },
      { path: `archive/${certificate}`, was: '' },
    ]
    fake.will('test', `[ ! -L ${livePath(fake, 'privkey')} ]`)
    const error = await nodeFailure(bring(fake, { version: four, adoption: { ...keep, modes } }, options))
    expect(error).toMatchObject({ step: 'test', left: 'restored' })
    expect(error.hints[0]).toBe('live was switched back to what it was and nginx was not reloaded')
    expect(snapshot(fake.root, { times: false })).toEqual(before)
  })

  test('a directory takes the place of live that is a link, and what it led to stays as it is', async () => {
    using fake = fakeNode()
    fake.lay(one)
    const elsewhere = join(fake.folder, 'srv')
    mkdirSync(elsewhere)
    for (const kind of fileKinds) writeFileSync(join(elsewhere, `${kind}.pem`), filesOf(three)[kind])
    writeFileSync(join(elsewhere, 'combined.pem'), 'for haproxy', { mode: 0o640 })
    mkdirSync(join(elsewhere, 'more'))
    rmSync(fake.path('live', certificate), { recursive: true })
    symlinkSync('../../../srv', fake.path('live', certificate))
    const [there, before] = [snapshot(elsewhere), snapshot(fake.root, { times: false })]

    const adoption = { ...keep, directory: '../../../srv' }
    fake.will('test', `[ -L ${fake.path('live', certificate)} ]`)
    expect(await nodeFailure(bring(fake, { version: four, adoption }, options))).toMatchObject({
      left: 'restored',
    })
    expect(snapshot(fake.root, { times: false })).toEqual(before)
    fake.will('test', ':')
    expect(await bring(fake, { version: four, adoption }, options)).toMatchObject({ former: 2 })
    expect(lstatSync(fake.path('live', certificate)).isDirectory()).toBe(true)
    expect(linksIn(fake)).toEqual(linksTo(4))
    expect(readFileSync(fake.path('live', certificate, 'combined.pem'), 'utf8')).toBe('for haproxy')
    expect(snapshot(elsewhere)).toEqual(there)
  })

  test('folders become root’s and closed to others, and keys are closed to everybody', async () => {
    using fake = fakeNode()
    fake.lay(one)
    chmodSync(fake.root, 0o775)
    chmodSync(fake.path('live'), 0o777)
    chownSync(fake.path('live', certificate), 65534, 0)
    chmodSync(fake.path('archive', certificate, 'privkey1.pem'), 0o644)
    const paths = ['.', 'live', `live/${certificate}`, `archive/${certificate}/privkey1.pem`]
    const modes = paths.map((path) => ({ path, was: '' }))
    expect(await bring(fake, { adoption: { ...nothing, modes } }, options)).toMatchObject({ former: 1 })
    const seen = paths.map((path) => {
      const { mode, uid } = statSync(fake.path(path))
      return `${(mode & 0o7777).toString(8)} ${uid}`
    })
    expect(seen).toEqual(['755 0', '755 0', '755 0', '640 0'])
  })
})

/** nginx reads copies, and a lineage that certbot made beside. */
function strayed(): { fake: FakeNode; copies: string; reads: Replacement[] } {
  const fake = fakeNode()
  fake.lay(one, { ...three, certificate: `${certificate}-0001`, number: 1 })
  const copies = join(fake.folder, 'etc/nginx ssl')
  mkdirSync(copies)
  const files = filesOf(three)
  writeFileSync(join(copies, 'media.pem'), files.fullchain)
  writeFileSync(join(copies, 'media.key'), files.privkey, { mode: 0o640 })
  const beside = fake.path('live', `${certificate}-0001`, 'fullchain.pem')
  const at = (kind: Replacement['kind'], path: string) => ({
    kind,
    path,
    sha256: sha256(readFileSync(path, 'utf8')),
  })
  const reads = [
    at('fullchain', join(copies, 'media.pem')),
    at('privkey', join(copies, 'media.key')),
    at('fullchain', beside),
  ]
  return { fake, copies, reads }
}

describe.for(shells)('what nginx reads elsewhere, on %s', (sh) => {
  const options = { sh }
  test('becomes a link to live; what was there is kept beside it, and comes back when it has to', async () => {
    const { fake, copies, reads } = strayed()
    using _fake = fake
    writeFileSync(join(copies, 'media.key.before-certs'), 'of another day')
    const before = snapshot(fake.folder, { times: false })
    const adoption = { ...nothing, reads }

    fake.will('test', `[ ! -L '${copies}/media.key' ]`)
    expect(await nodeFailure(bring(fake, { adoption }, options))).toMatchObject({
      left: 'restored',
      step: 'test',
    })
    expect(filesIn(snapshot(fake.folder, { times: false }))).toEqual(filesIn(before))

    fake.will('test', ':')
    const { placed } = await bring(fake, { adoption }, options)
    expect(placed).toEqual([
      { kind: 'fullchain', path: join(copies, 'media.pem'), suffix: '.before-certs' },
      { kind: 'privkey', path: join(copies, 'media.key'), suffix: '.before-certs-2' },
      { kind: 'fullchain', path: reads[2]!.path, suffix: '.before-certs' },
    ])
    expect(readlinkSync(join(copies, 'media.pem'))).toBe(livePath(fake, 'fullchain'))
    expect(readFileSync(join(copies, 'media.key'), 'utf8')).toBe(filesOf(two).privkey)
    expect(readFileSync(join(copies, 'media.key.before-certs'), 'utf8')).toBe('of another day')
    expect(readFileSync(join(copies, 'media.key.before-certs-2'), 'utf8')).toBe(filesOf(three).privkey)
    // As when the connection died before the answer: what a run did is told by the next one.
    expect(await bring(fake, { adoption }, options)).toMatchObject({ placed })

    await rollback(fake.shell(options), fake.node, { certificate, number: 1, back: placed })
    const [was, is] = [filesIn(before), filesIn(snapshot(fake.folder, { times: false }))]
    for (const [path, what] of Object.entries(was))
      if (/nginx ssl|live/.test(path)) expect([path, is[path]]).toEqual([path, what])
  })

  test('is left alone when it has changed, or others could change it', async () => {
    const { fake, copies, reads } = strayed()
    using _fake = fake
    appendFileSync(join(copies, 'media.key'), '#')
    chmodSync(copies, 0o755)
    const before = filesIn(snapshot(fake.folder, { times: false }))
    const adoption = { ...nothing, reads }
    const changed = await nodeFailure(bring(fake, { adoption }, options))
    expect(changed).toMatchObject({
      left: 'restored',
      detail: `${join(copies, 'media.key')} is not what it was when the plan was made`,
    })
    expect(filesIn(snapshot(fake.folder, { times: false }))).toEqual(before)
    chmodSync(copies, 0o777)
    expect(await nodeFailure(bring(fake, { adoption }, options))).toMatchObject({
      message: `sally: ${copies} can be changed by others than root, so nothing is put there`,
      left: 'unchanged',
    })
    chmodSync(copies, 0o755)
    expect(filesIn(snapshot(fake.folder, { times: false }))).toEqual(before)
  })

  test('is told by an inspection with where it leads and who could change it', async () => {
    const { fake, copies } = strayed()
    using _fake = fake
    symlinkSync(livePath(fake, 'fullchain'), join(copies, 'linked.pem'))
    symlinkSync('linked.pem', join(copies, 'twice.pem'))
    mkdirSync(join(fake.folder, 'loose'), { mode: 0o777 })
    chmodSync(join(fake.folder, 'loose'), 0o777)
    writeFileSync(join(fake.folder, 'loose', 'a.pem'), filesOf(three).fullchain)
    symlinkSync(fake.path('archive', certificate), join(fake.folder, 'folder'))
    const server = (name: string, file: string, key: string) =>
      `server { listen 443 ssl; server_name ${name}; ssl_certificate "${file}"; ssl_certificate_key "${key}"; }\n`
    const dump = [
      '# configuration file /etc/nginx/nginx.conf:\nhttp {',
      server(certificate, livePath(fake, 'fullchain'), livePath(fake, 'privkey')),
      server(
        `x.example ${certificate}`,
        join(copies, 'media.pem').replace(' ', ' '),
        join(copies, 'media.key'),
      ),
      server('cdn.hachyderm.io', `${fake.folder}/plain.pem`, `${fake.folder}/loose/a.pem`),
      server('not.ours.example', '/etc/hostname', '/etc/hostname'),
      server(
        certificate,
        `${fake.folder}/folder/fullchain1.pem`,
        fake.path('live', `${certificate}-0001`, 'privkey.pem'),
      ),
      '}',
    ]
    symlinkSync(join(copies, 'twice.pem'), join(fake.folder, 'plain.pem'))
    writeFileSync(join(fake.folder, 'dump'), dump.join('\n'))
    fake.will('test', `case "$*" in *-T*) cat ${fake.folder}/dump ;; esac`)
    const names = [certificate, '*.hachyderm.io']
    const { elsewhere } = await inspect(fake.shell({ sh }), fake.node, [certificate], { names })
    const seen = elsewhere.map(({ path, leadsTo, leaf, loose }) => [
      path,
      leadsTo,
      leaf !== undefined,
      loose ?? '',
    ])
    expect(seen).toEqual([
      // A space in a path is more than the program's lines can tell.
      [`${fake.folder}/plain.pem`, `live/${certificate}/fullchain.pem`, true, ''],
      [`${fake.folder}/loose/a.pem`, `${fake.folder}/loose/a.pem`, true, `${fake.folder}/loose`],
      [`${fake.folder}/folder/fullchain1.pem`, `archive/${certificate}/fullchain1.pem`, true, ''],
      [
        fake.path('live', `${certificate}-0001`, 'privkey.pem'),
        `archive/${certificate}-0001/privkey1.pem`,
        false,
        '',
      ],
    ])
    expect((await inspect(fake.shell({ sh }), fake.node, [certificate])).elsewhere).toEqual([])
  })
})

test('a login that takes orders only changes nothing outside of its folder', async () => {
  const { fake, copies, reads } = strayed()
  using _fake = fake
  const before = filesIn(snapshot(fake.folder, { times: false }))
  const shell = sealedShell(fake)
  const adoption = { ...nothing, reads: reads.slice(0, 2) }
  const error = await nodeFailure(install(shell, fake.node, { ...order, adoption }))
  expect(error).toMatchObject({
    message: `sally: its login may change nothing outside of ${fake.root}/live, and ${join(copies, 'media.pem')} is`,
    left: 'unchanged',
  })
  for (const path of [
    fake.path('archive', certificate, 'fullchain1.pem'),
    fake.path('renewal', `${certificate}.conf`),
    fake.path('live', certificate, '..', '..', 'renewal', 'privkey.pem'),
    fake.path('live', 'README'),
    fake.path('live', certificate, 'README'),
    '/etc/shadow',
  ]) {
    const forged = { ...nothing, reads: [{ kind: 'privkey' as const, sha256: '0'.repeat(64), path }] }
    expect(await nodeFailure(install(shell, fake.node, { ...order, adoption: forged }))).toMatchObject({
      left: 'unchanged',
    })
    const back = [{ kind: 'privkey', suffix: '.before-certs', path }]
    expect(await nodeFailure(rollback(shell, fake.node, { certificate, number: 1, back }))).toMatchObject({
      left: 'unchanged',
    })
  }
  const after = filesIn(snapshot(fake.folder, { times: false }))
  expect(after).toEqual(before)
  expect(
    await install(shell, fake.node, { ...order, adoption: { ...nothing, reads: reads.slice(2) } }),
  ).toMatchObject({
    placed: [{ suffix: '.before-certs' }],
  })
})

/** But for what the fake node notes down itself. */
function filesIn(all: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(all).filter(([path]) => !/^(test|reload|status|calls|sealed|pinned|\.)$/.test(path)),
  )
}

test('links one after the other do the same as the exchange', async () => {
  using fake = copied()
  const before = snapshot(fake.root, { times: false })
  fake.will('test', `[ ! -L ${livePath(fake, 'privkey')} ]`)
  const adoption = keep
  expect(await nodeFailure(bring(fake, { version: four, adoption }, linksOnly))).toMatchObject({
    left: 'restored',
  })
  expect(snapshot(fake.root, { times: false })).toEqual(before)
  fake.will('test', ':')
  expect(await bring(fake, { version: four, adoption }, linksOnly)).toMatchObject({ former: 2 })

  rmSync(fake.path('live', certificate), { recursive: true })
  symlinkSync('nowhere', fake.path('live', certificate))
  const dangling = { ...nothing, directory: 'nowhere' }
  fake.will('test', `[ -L ${fake.path('live', certificate)} ]`)
  expect(await nodeFailure(bring(fake, { version: four, adoption: dangling }, linksOnly))).toMatchObject({
    left: 'restored',
  })
  expect(readlinkSync(fake.path('live', certificate))).toBe('nowhere')
  fake.will('test', ':')
  expect(await bring(fake, { version: four, adoption: dangling }, linksOnly)).toMatchObject({
    outcome: 'installed',
  })
  expect(readdirSync(fake.path('live'))).toEqual([certificate])
})

test('what the archive has already is not copied, and other bytes under that number are refused', async () => {
  using fake = copied()
  fake.lay({ ...three, number: 2 })
  const files = filesOf(three)
  for (const kind of fileKinds) {
    unlinkSync(livePath(fake, kind))
    writeFileSync(livePath(fake, kind), files[kind])
  }
  const inode = statSync(fake.path('archive', certificate, 'privkey2.pem')).ino
  const before = snapshot(fake.root)
  const wrong = { ...nothing, keep: { number: 1, copied: [] } }
  expect(await nodeFailure(bring(fake, { version: four, adoption: wrong }))).toMatchObject({
    message: `sally: archive/${certificate}/privkey1.pem exists with other bytes`,
    left: 'unchanged',
  })
  expect(snapshot(fake.root, { times: false })).toEqual(snapshotWithoutTimes(before))
  expect(await bring(fake, { version: four, adoption: keep })).toMatchObject({ former: 2 })
  expect(statSync(fake.path('archive', certificate, 'privkey2.pem')).ino).toBe(inode)
})

function snapshotWithoutTimes(all: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(all).map(([path, what]) => [path, what.replace(/ ?\d+ [\d.]+$/, '')]),
  )
}

test('unfinished work in a folder that others could write is not taken for ours', async () => {
  using fake = fakeNode()
  fake.lay(one)
  chmodSync(fake.path('live'), 0o777)
  mkdirSync(fake.path('live', `.${certificate}.former`))
  const before = snapshot(fake.root)
  const adoption = { ...nothing, modes: [{ path: 'live', was: '777 root:root' }] }
  expect(await nodeFailure(bring(fake, { adoption }))).toMatchObject({
    message: `sally: live/.${certificate}.former lies in a folder that others could write: it may be theirs`,
    left: 'unchanged',
  })
  expect(snapshot(fake.root, { times: false })).toEqual(snapshotWithoutTimes(before))
})

test.each([
  'mode /etc',
  'mode ../x',
  'mode archive/other.example',
  `mode archive/${certificate}/cert1.pem`,
  `mode archive/${certificate}/../../privkey1.pem`,
  `mode live/${certificate}/privkey.pem`,
  'keep 0',
  'keep x',
  'other',
  'read shadow 0 /etc/passwd',
  'read privkey 0 relative.pem',
])('an order to adopt "%s" is refused', async (line) => {
  using fake = fakeNode()
  fake.lay(one)
  const before = snapshot(fake.root)
  const shell = fake.shell()
  const forged = {
    ...shell,
    run: (input: string, run: Parameters<typeof shell.run>[1]) =>
      shell.run(
        input.replace(/\norder (.*)\n/, (_, encoded: string) => {
          const text = Buffer.from(encoded, 'base64')
            .toString()
            .replace(/adopt .*\n/, `adopt ${line}\n`)
          return `\norder ${Buffer.from(text).toString('base64')}\n`
        }),
        run,
      ),
  }
  const error = await nodeFailure(
    install(forged, fake.node, { ...order, adoption: { ...nothing, modes: [{ path: 'live', was: '' }] } }),
  )
  expect(error).toMatchObject({ step: 'stage', left: 'unchanged' })
  expect(snapshot(fake.root, { times: false })).toEqual(snapshotWithoutTimes(before))
})
