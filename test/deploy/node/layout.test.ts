import { createHash } from 'node:crypto'
import {
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
import { rollback } from '../../../deploy/install.ts'
import type { LayoutAdoption } from '../../../src/core/layout-adoption.ts'
import { fileKinds, filesOf } from '../../../src/core/certificate.ts'
import { fakeNode, shells, snapshot, type FakeNode } from '../../support/fake-node.ts'
import {
  bring,
  certificate,
  linksIn,
  linksOnly,
  linksTo,
  livePath,
  one,
  three,
} from '../../support/installing.ts'
import { nodeFailure } from '../../support/node-failure.ts'

vi.setConfig({ testTimeout: 60_000 })

const four = { ...three, number: 4 }
const nothing: LayoutAdoption = { modes: [] }

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
    expect(await bring(fake, { adoption: { modes } }, options)).toMatchObject({ former: 1 })
    const seen = paths.map((path) => {
      const { mode, uid } = statSync(fake.path(path))
      return `${(mode & 0o7777).toString(8)} ${uid}`
    })
    expect(seen).toEqual(['755 0', '755 0', '755 0', '640 0'])
  })
})

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
  const dangling = { modes: [], directory: 'nowhere' }
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
  const wrong = { modes: [], keep: { number: 1, copied: [] } }
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
  const adoption = { modes: [{ path: 'live', was: '777 root:root' }] }
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
        input.replace(/\norder (.*)\n/, (_, order: string) => {
          const text = Buffer.from(order, 'base64')
            .toString()
            .replace(/adopt .*\n/, `adopt ${line}\n`)
          return `\norder ${Buffer.from(text).toString('base64')}\n`
        }),
        run,
      ),
  }
  const error = await nodeFailure(
    import('../../../deploy/install.ts').then(({ install }) =>
      install(forged, fake.node, {
        certificate,
        version: four,
        forceReload: false,
        onStep: () => {},
        adoption: { modes: [{ path: 'live', was: '' }] },
      }),
    ),
  )
  expect(error).toMatchObject({ step: 'stage', left: 'unchanged' })
  expect(snapshot(fake.root, { times: false })).toEqual(snapshotWithoutTimes(before))
})
