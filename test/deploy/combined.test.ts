import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { statSync, symlinkSync, writeFileSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import { inspect } from '../../deploy/inspect.ts'
import { install, rollback } from '../../deploy/install.ts'
import { combinedOf, filesOf, type Version } from '../../src/core/certificate.ts'
import { fakeNode, shells, snapshot, type FakeNode } from '../support/fake-node.ts'
import { bring, certificate, isFormer, linksIn, linksOnly, linksTo } from '../support/installing.ts'
import { livePath, one, order, three, two } from '../support/installing.ts'
import { nginxAlone } from '../support/nginx-alone.ts'
import { nodeFailure } from '../support/node-failure.ts'

vi.setConfig({ testTimeout: 60_000 })

/** Whose nginx would read one file with all in it. */
const combiningNode = () => fakeNode({ services: nginxAlone({ combined: true }) })
const combined = (fake: FakeNode) => livePath(fake, 'combined')
const archived = (fake: FakeNode, number: number) =>
  fake.path('archive', certificate, `combined${number}.pem`)
const linkTo = (number: number) => `../../archive/${certificate}/combined${number}.pem`
const contentOf = (version: Version) => combinedOf(filesOf(version))

describe.for(shells)('fullchain and key in one file, on %s', (sh) => {
  test('are made of what is sent, as private as the key, and follow every version', async () => {
    using fake = combiningNode()
    fake.lay(one)
    chownSync(livePath(fake, 'privkey'), 0, 8)
    chmodSync(livePath(fake, 'privkey'), 0o640)
    const shell = fake.shell({ sh })
    expect(await install(shell, fake.node, order)).toMatchObject({
      former: 1,
      lineage: { live: { combined: { is: 'link', target: linkTo(2), number: 2 } } },
    })
    expect(readFileSync(combined(fake), 'utf8')).toBe(contentOf(two))
    const { mode, gid } = statSync(combined(fake))
    expect([(mode & 0o777).toString(8), gid]).toEqual(['640', 8])
    expect(await install(shell, fake.node, order)).toMatchObject({ outcome: 'unchanged' })
  })

  test('are made on the node for a version that came without them, and taken back with it', async () => {
    using fake = combiningNode()
    fake.lay(one, two)
    // A file that ends without a newline must not grow into the next one.
    const fullchain = fake.path('archive', certificate, 'fullchain1.pem')
    writeFileSync(fullchain, readFileSync(fullchain, 'utf8').trimEnd())
    const shell = fake.shell({ sh })
    const back = await rollback(shell, fake.node, { certificate, number: 1 })
    expect(back).toMatchObject({ outcome: 'installed', former: 2, lineage: { pair: 'matches' } })
    expect(readFileSync(combined(fake), 'utf8')).toBe(contentOf(one))
    expect((statSync(archived(fake, 1)).mode & 0o777).toString(8)).toBe('600')
    await rollback(shell, fake.node, { certificate, number: 2 })
    expect(readFileSync(combined(fake), 'utf8')).toBe(contentOf(two))
  })

  test.each([
    ['at once', {}],
    ['link by link', linksOnly],
  ])('are gone again, %s, when the first version that has them fails', async (_, options) => {
    using fake = combiningNode()
    fake.lay(one)
    const before = snapshot(fake.root, { times: false })
    fake.will('reload', `${isFormer(fake)} || exit 3`)
    expect(await nodeFailure(bring(fake, {}, { ...options, sh }))).toMatchObject({ left: 'restored' })
    expect(snapshot(fake.root, { times: false })).toEqual(before)
  })

  test('are brought where the four files are right already', async () => {
    using fake = combiningNode()
    fake.lay(one, two)
    fake.will('test', `cat ${combined(fake)} >/dev/null`)
    expect(await install(fake.shell({ sh }), fake.node, order)).toMatchObject({ outcome: 'installed' })
    expect(readFileSync(combined(fake), 'utf8')).toBe(contentOf(two))
    expect(linksIn(fake)).toEqual(linksTo(2))
  })
})

test('they go on with each version where they are no longer asked for', async () => {
  using fake = combiningNode()
  fake.lay(one)
  await bring(fake)
  const node = { ...fake.node, services: nginxAlone() }
  await install(fake.shell(), node, { ...order, version: { ...three, number: 3 } })
  expect(readlinkSync(combined(fake))).toBe(linkTo(3))
  expect(readFileSync(combined(fake), 'utf8')).toBe(contentOf(three))
})

test('what somebody else has put there is not ours', async () => {
  using fake = fakeNode()
  fake.lay(one)
  const theirs = fake.path('theirs.pem')
  writeFileSync(theirs, 'theirs')
  symlinkSync(theirs, combined(fake))
  await bring(fake)
  expect(readlinkSync(combined(fake))).toBe(theirs)
  expect(existsSync(archived(fake, 2))).toBe(false)

  rmSync(combined(fake))
  writeFileSync(combined(fake), 'the only copy')
  const node = { ...fake.node, services: nginxAlone({ combined: true }) }
  const refused = install(fake.shell(), node, { ...order, version: { ...three, number: 3 } })
  expect((await nodeFailure(refused)).message).toContain(
    `live/${certificate}/combined.pem is a file where certbot's layout has a link`,
  )
  expect(readFileSync(combined(fake), 'utf8')).toBe('the only copy')
})

test('what is to be done by hand leaves the file alone where the former version has none', async () => {
  using fake = combiningNode()
  fake.lay(one)
  fake.will('reload', 'exit 1')
  const [hint = ''] = (await nodeFailure(bring(fake))).hints
  const links = hint.replace(/^.* by hand: /, '').replace(/ && nginx -t.*$/, '')
  expect(links).toContain('fullchain combined; do [ ! -e ../../archive/')
  const ran = spawnSync('sh', ['-c', links], { encoding: 'utf8' })
  expect(ran).toMatchObject({ status: 0, stderr: '' })
  expect(linksIn(fake)).toEqual(linksTo(1))
  expect(existsSync(combined(fake))).toBe(false)
})

test('an archive file with other bytes is never changed', async () => {
  using fake = combiningNode()
  fake.lay(one)
  writeFileSync(archived(fake, 2), 'of a hook')
  expect(await nodeFailure(bring(fake))).toMatchObject({
    message: `sally: archive/${certificate}/combined2.pem exists with other bytes`,
    left: 'unchanged',
  })
  expect(readFileSync(archived(fake, 2), 'utf8')).toBe('of a hook')
})

test('an inspection tells of them', async () => {
  using fake = combiningNode()
  fake.lay(one)
  expect(
    (await inspect(fake.shell(), fake.node, [certificate])).lineages[certificate]?.live,
  ).not.toHaveProperty('combined')
  await bring(fake)
  const { services, lineages } = await inspect(fake.shell(), fake.node, [certificate])
  expect(services['nginx']).toMatchObject({ combined: true })
  const { live, archive, odd } = lineages[certificate]!
  expect(live.combined).toMatchObject({ is: 'link', number: 2 })
  expect(archive.filter(({ kind }) => kind === 'combined')).toMatchObject([{ number: 2, mode: '600' }])
  expect(odd).toEqual([])
})
