import { renameSync, symlinkSync, unlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { install, rollback } from '../../../deploy/install.ts'
import { fileKinds, type Version } from '../../../src/core/certificate.ts'
import { Secret } from '../../../src/core/secret.ts'
import { fakeNode, type FakeNode, type FakeNodeOptions } from '../../support/fake-node.ts'
import {
  certificate,
  isFormer,
  linksOnly,
  linksTo,
  livePath,
  order,
  three,
  two,
} from '../../support/installing.ts'
import { nodeFailure } from '../../support/node-failure.ts'
import { type Sights, startPairReader } from '../../support/pair-reader.ts'

const whole = process.env['CERTS_FAULTS'] === 'all'
vi.setConfig({ testTimeout: whole ? 1_200_000 : 60_000 })

/** Each file says in its first line which version it is of. */
function numbered(number: number): Version {
  const { key, leaf, chain } = number % 2 === 0 ? two : three
  const mark = `version ${number}\n`
  return { certificate, number, key: new Secret(mark + key.reveal()), leaf: mark + leaf, chain }
}

function laid(): FakeNode {
  const fake = fakeNode()
  fake.lay(numbered(1))
  return fake
}

/** So many rollouts, of which every fifth is refused by `nginx -t`, each but those followed by its rollback. */
async function rollOutAndBack(fake: FakeNode, rounds: number, options: FakeNodeOptions = {}): Promise<void> {
  const shell = fake.shell(options)
  for (let number = 2; number < rounds + 2; number++) {
    const version = numbered(number)
    if (number % 5 === 0) {
      fake.will('test', `${isFormer(fake)} || { echo 'nginx: [emerg] no'; exit 1; }`)
      expect(await nodeFailure(install(shell, fake.node, { ...order, version }))).toMatchObject({
        step: 'test',
        left: 'restored',
      })
      fake.will('test', ':')
      continue
    }
    await install(shell, fake.node, { ...order, version })
    await rollback(shell, fake.node, { certificate, number: 1 })
  }
}

async function watch(fake: FakeNode, act: () => Promise<void>): Promise<Sights> {
  await using reader = await startPairReader(fake.path('live', certificate))
  await act()
  return await reader.stop()
}

describe('a reader that does nothing but look at live', () => {
  test('never sees a file missing or a pair mixed while the directory is exchanged', async () => {
    using fake = laid()
    const rounds = whole ? 500 : 24
    const { pinned, byPath } = await watch(fake, () => rollOutAndBack(fake, rounds))
    if (whole) console.log(`${rounds} rollouts: ${JSON.stringify({ pinned, byPath })}`)
    expect(pinned).toMatchObject({ missing: 0, partial: 0, mixed: 0 })
    // Two files opened by their paths may be of two versions; each of them is there, and whole.
    expect(byPath).toMatchObject({ missing: 0, partial: 0 })
    expect(pinned.looks).toBeGreaterThan(rounds * 500)
    // Each rollout is seen, and each way back.
    expect(pinned.switches).toBeGreaterThan(rounds * 1.5)
  })

  test('never sees a file missing where links are switched one after the other; pairs may be mixed', async () => {
    using fake = laid()
    const rounds = whole ? 500 : 8
    const { pinned, byPath } = await watch(fake, () => rollOutAndBack(fake, rounds, linksOnly))
    if (whole) console.log(`${rounds} rollouts by links: ${JSON.stringify({ pinned, byPath })}`)
    for (const sight of [pinned, byPath]) expect(sight).toMatchObject({ missing: 0, partial: 0, outlived: 0 })
    // Some dozens of microseconds each time; a process for each link would make it milliseconds.
    expect(pinned.mixed).toBeLessThan(pinned.looks / 200)
  })

  test('does see what it is there to see: links taken away first, as certbot does, and pairs switched in turn', async () => {
    using fake = laid()
    fake.lay(numbered(2))
    const { pinned, byPath } = await watch(fake, () =>
      switching(fake, (path, target) => {
        unlinkSync(path)
        symlinkSync(target, path)
      }),
    )
    expect(pinned.missing).toBeGreaterThan(0)
    expect(byPath.missing).toBeGreaterThan(0)
    const renamed = await watch(fake, () =>
      switching(fake, (path, target) => {
        symlinkSync(target, `${path}.new`)
        renameSync(`${path}.new`, path)
      }),
    )
    expect(renamed.pinned).toMatchObject({ missing: 0 })
    expect(renamed.pinned.mixed).toBeGreaterThan(0)
  })
})

async function switching(fake: FakeNode, link: (path: string, target: string) => void): Promise<void> {
  for (let round = 0; round < 200; round++) {
    for (const [index, kind] of fileKinds.entries())
      link(livePath(fake, kind), linksTo((round % 2) + 1)[index]!)
    await sleep(1)
  }
}
