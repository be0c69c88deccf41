import { chmodSync, chownSync, cpSync, existsSync, linkSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { rollback } from '../../../deploy/install.ts'
import { fileKinds } from '../../../src/core/certificate.ts'
import { fakeNode, snapshot, type FakeNode } from '../../support/fake-node.ts'
import {
  bring,
  certificate,
  isFormer,
  linksIn,
  linksTo,
  livePath,
  one,
  three,
  two,
} from '../../support/installing.ts'
import { nodeFailure } from '../../support/node-failure.ts'

vi.setConfig({ testTimeout: 60_000 })

describe('refuses, and leaves untouched,', () => {
  const cases: Record<string, { lay: (fake: FakeNode) => void; says: string; hint: RegExp }> = {
    'a real file in live': {
      lay: (fake) => {
        unlinkSync(livePath(fake, 'privkey'))
        writeFileSync(livePath(fake, 'privkey'), 'the only copy')
      },
      says: `live/${certificate}/privkey.pem is a file where certbot's layout has a link into archive`,
      hint: /^certs rollout media\.hachyderm\.io --adopt keeps it/,
    },
    'a live directory that is a link': {
      lay: (fake) => {
        mkdirSync(fake.path('elsewhere'))
        rmSync(fake.path('live', certificate), { recursive: true })
        symlinkSync('../elsewhere', fake.path('live', certificate))
      },
      says: `live/${certificate} or archive/${certificate} is a link to another directory`,
      hint: /^certs rollout media\.hachyderm\.io --adopt puts a directory/,
    },
    'a directory in the place of a link': {
      lay: (fake) => {
        unlinkSync(fake.path('live', certificate, 'chain.pem'))
        mkdirSync(fake.path('live', certificate, 'chain.pem'))
      },
      says: `live/${certificate}/chain.pem is a directory where certbot's layout has a link into archive`,
      hint: /^on sally, as root: ls -ld/,
    },
    'a live directory that others may write': {
      lay: (fake) => chmodSync(fake.path('live'), 0o777),
      says: 'live can be written by others than its owner',
      hint: /--adopt, or on sally, as root: chmod go-w .*\/live$/,
    },
    'an archive that belongs to another user': {
      lay: (fake) => chownSync(fake.path('archive', certificate), 65534, 65534),
      says: `archive/${certificate} does not belong to root`,
      hint: /--adopt, or on sally, as root: chown root: /,
    },
    'an archive file that is a link': {
      lay: (fake) => symlinkSync('/etc/hostname', fake.path('archive', certificate, 'cert2.pem')),
      says: `archive/${certificate}/cert2.pem exists with other bytes`,
      hint: /plan again/,
    },
  }
  test.each(Object.entries(cases))('%s', async (_, { lay, says, hint }) => {
    using fake = fakeNode()
    fake.lay(one)
    lay(fake)
    const before = snapshot(fake.root)
    const error = await nodeFailure(bring(fake))
    expect(error).toMatchObject({ message: `sally: ${says}`, left: 'unchanged', step: 'stage' })
    expect(error.hints.some((line) => hint.test(line))).toBe(true)
    expect(fake.calls()).toEqual([])
    expect(snapshot(fake.root)).toEqual(before)
  })
})

test('says that something else broke nginx when its test fails with the former version too', async () => {
  using fake = fakeNode()
  fake.lay(one)
  const failing = `[ ! -e ${fake.folder}/broken ] || { echo 'host not found in upstream'; exit 1; }`
  fake.will('test', `${isFormer(fake)} || touch ${fake.folder}/broken; ${failing}`)
  const error = await nodeFailure(bring(fake))
  expect(error).toMatchObject({ step: 'test', left: 'restored', detail: 'host not found in upstream' })
  expect(error.hints).toEqual([
    'live was switched back to version 1 and nginx was not reloaded',
    "with version 1 it fails too: mend nginx's configuration on sally, then run again",
  ])
  expect(linksIn(fake)).toEqual(linksTo(1))
})

test('says what to do by hand when nginx can be reloaded neither with the new version nor with the former', async () => {
  using fake = fakeNode()
  fake.lay(one)
  fake.will('reload', 'echo no; exit 1')
  const error = await nodeFailure(bring(fake))
  expect(error).toMatchObject({ step: 'reload', left: 'degraded', detail: 'no\nno' })
  expect(error.message).toBe('sally: systemctl reload nginx failed (exit 1), and it could not be undone')
  const live = fake.path('live', certificate)
  expect(error.hints).toEqual([
    `on sally, as root, by hand: cd ${live} && for k in privkey cert chain fullchain; do ln -sfn ../../archive/${certificate}/\${k}1.pem $k.pem; done && nginx -t && systemctl reload nginx`,
  ])
  expect(linksIn(fake)).toEqual(linksTo(1))
})

test('a refusal leaves what a killed run has made live', async () => {
  using fake = fakeNode()
  fake.lay(one, two)
  // As a run leaves it that is killed right after the switch.
  const archive = fake.path('archive', certificate)
  mkdirSync(join(archive, '.stage'))
  for (const kind of fileKinds)
    linkSync(join(archive, `${kind}2.pem`), join(archive, '.stage', `${kind}2.pem`))
  cpSync(fake.path('live', certificate), fake.path('live', `.${certificate}.former`), {
    recursive: true,
    verbatimSymlinks: true,
  })
  fake.will('status', 'echo inactive; exit 3')
  for (const changes of [{}, { forceReload: true }, { version: { ...three, number: 3 } }]) {
    expect(await nodeFailure(bring(fake, changes))).toMatchObject({ step: 'baseline', left: 'unchanged' })
    for (const kind of fileKinds) expect(existsSync(livePath(fake, kind))).toBe(true)
  }
})

test('rolls back only to a version that is whole and whose key and certificate belong together', async () => {
  using fake = fakeNode()
  fake.lay(one, two)
  writeFileSync(fake.path('archive', certificate, 'chain1.pem'), '')
  expect(await nodeFailure(rollback(fake.shell(), fake.node, { certificate, number: 1 }))).toMatchObject({
    message: `sally: version 1 of ${certificate} is not complete in archive/${certificate}`,
    step: 'rollback',
    left: 'unchanged',
  })
  fake.lay(one, two)
  writeFileSync(fake.path('archive', certificate, 'privkey1.pem'), three.key.reveal())
  expect(await nodeFailure(rollback(fake.shell(), fake.node, { certificate, number: 1 }))).toMatchObject({
    message: `sally: key and certificate of version 1 of ${certificate} do not belong together`,
  })
  expect(linksIn(fake)).toEqual(linksTo(2))
  expect(fake.calls()).toEqual([])
})
