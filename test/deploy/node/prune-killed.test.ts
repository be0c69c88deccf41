import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { listBackups, mend, prune, restore, weigh } from '../../../deploy/prune.ts'
import type { Candidate, PruneItem } from '../../../src/core/prune.ts'
import { fakeNode, snapshot, type FakeNode } from '../../support/fake-node.ts'
import { certificate, one, three, two } from '../../support/installing.ts'
import { killedAfter } from '../../support/killed-run.ts'
import { sample, straceMissing } from '../../support/strace.ts'

vi.setConfig({ testTimeout: process.env['CERTS_FAULTS'] === 'all' ? 1_200_000 : 120_000 })

/** What lies about on the machine that runs the test names nothing. */
const quiet = 'for folder in /root /opt /srv; do mount -t tmpfs tmpfs $folder; done'

const modes = {
  'a link and an unlink': { sh: ['dash'], setup: quiet },
  'a copy, as between file systems': {
    sh: ['busybox', 'sh'],
    setup: `${quiet}; printf "#!/bin/sh\\nexit 1\\n" >/run/ln && chmod 755 /run/ln && mount --bind /run/ln /usr/bin/ln`,
  },
}
const backup = '20261123T120000Z-abcdef'

if (straceMissing) console.log(`skipped: ${straceMissing}`)

describe.skipIf(straceMissing).for(Object.entries(modes))('what is moved by %s', ([, options]) => {
  test('and cut off after any change, is back where it was after the next run, which then does it', async () => {
    await sweep(options, async (fake, killed) => {
      const [shell, items, before] = [fake.shell(options), await itemsOf(fake), left(fake)]
      await prune(killed, fake.node, { items, backup }).catch(() => {})
      const [state] = await listBackups(shell, fake.node)
      if (state && !state.unfinished) return
      expect(await mend(shell, fake.node)).toEqual(state ? [backup] : [])
      expect(left(fake)).toEqual(before)
      expect(await prune(shell, fake.node, { items, backup })).toMatchObject({ kept: [], recovered: [] })
      await restore(shell, fake.node, { backup })
      expect(left(fake)).toEqual(before)
    })
  })

  test('and cut off on its way back, comes back by the next', async () => {
    const calls = async (fake: FakeNode) => {
      const before = left(fake)
      const items = await itemsOf(fake)
      await prune(fake.shell(options), fake.node, { items, backup })
      return before
    }
    await sweep(
      options,
      async (fake, killed) => {
        const before = await calls(fake)
        await restore(killed, fake.node, { backup }).catch(() => {})
        const shell = fake.shell(options)
        const [state] = await listBackups(shell, fake.node)
        if (state) await restore(shell, fake.node, { backup })
        else await mend(shell, fake.node)
        expect(left(fake)).toEqual(before)
      },
      async (fake, counted) => {
        await calls(fake)
        await restore(counted, fake.node, { backup })
      },
    )
  })
})

type Options = (typeof modes)[keyof typeof modes]
type Shell = ReturnType<typeof killedAfter>['shell']

/** Kills at places spread over all changes that an undisturbed run makes. */
async function sweep(
  options: Options,
  attempt: (fake: FakeNode, killed: Shell) => Promise<void>,
  undisturbed = async (fake: FakeNode, counted: Shell): Promise<void> => {
    await prune(counted, fake.node, { items: await itemsOf(fake), backup })
  },
): Promise<void> {
  using whole = prepared()
  using counted = killedAfter(whole, Infinity, options)
  await undisturbed(whole, counted.shell)
  expect(counted.calls()).toBeGreaterThan(15)
  const positions = sample(
    Array.from({ length: counted.calls() }, (_, index) => index + 1),
    9,
  )
  const worker = async () => {
    for (let at = positions.shift(); at !== undefined; at = positions.shift()) {
      using fake = prepared()
      using killed = killedAfter(fake, at, options)
      await attempt(fake, killed.shell)
    }
  }
  await Promise.all([worker(), worker()])
}

function prepared(): FakeNode {
  const fake = fakeNode()
  fake.lay(one, two, three)
  const folder = join(fake.folder, 'root/archive')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'privkey.pem'), two.key.reveal(), { mode: 0o640 })
  writeFileSync(join(folder, 'fullchain.pem'), two.leaf + two.chain)
  const dump = join(fake.folder, 'dump')
  writeFileSync(dump, '# configuration file /etc/nginx/nginx.conf:\nhttp { server { listen 80; } }\n')
  fake.will('test', `[ "$1" = -t ] || cat ${dump}`)
  return fake
}

async function itemsOf(fake: FakeNode): Promise<PruneItem[]> {
  const base = { kind: 'orphan', label: '', what: '', because: '', lost: false } as const
  const paths = ['privkey.pem', 'fullchain.pem'].map((name) => join(fake.folder, 'root/archive', name))
  const candidates: Candidate[] = [
    { ...base, target: { is: 'version', name: certificate, number: 1 } },
    { ...base, target: { is: 'files', paths } },
  ]
  const { items } = await weigh(fake.shell({ setup: quiet }), fake.node, { candidates })
  return candidates.map((each, index) => ({ ...each, entries: items[index]!.entries, notes: [] }))
}

/** All of the node but times, inodes and, of its folders, what is there for the test alone. */
function left(fake: FakeNode): Record<string, string> {
  const all = snapshot(fake.folder, { times: false })
  return Object.fromEntries(Object.entries(all).filter(([path]) => /^(etc|root)/.test(path)))
}
