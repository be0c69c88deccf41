import { readFileSync, readlinkSync } from 'node:fs'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { install } from '../../../deploy/install.ts'
import { fileKinds } from '../../../src/core/certificate.ts'
import { fakeNode, snapshot, type FakeNode } from '../../support/fake-node.ts'
import { certificate, one, order } from '../../support/installing.ts'
import { killedAfter } from '../../support/killed-run.ts'
import { sample, straceMissing } from '../../support/strace.ts'

vi.setConfig({ testTimeout: process.env['CERTS_FAULTS'] === 'all' ? 1_200_000 : 120_000 })

const modes = {
  'the directory exchange': { sh: ['dash'], without: [] },
  'links one after the other': { sh: ['busybox', 'sh'], without: ['/usr/bin/perl', '/usr/bin/python3'] },
}

if (straceMissing) console.log(`skipped: ${straceMissing}`)

describe.skipIf(straceMissing).for(Object.entries(modes))('switching by %s', ([name, options]) => {
  const atOnce = name === 'the directory exchange'

  test('a program killed after any change leaves a working pair, and the next run completes it', async () => {
    const undisturbed = await reference(options)
    expect(undisturbed.calls).toBeGreaterThan(25)
    const positions = Array.from({ length: undisturbed.calls }, (_, i) => i + 1)
    const queue = sample(positions, 9)
    const worker = async () => {
      for (let at = queue.shift(); at !== undefined; at = queue.shift()) await killedAt(at)
    }
    const killedAt = async (at: number) => {
      using fake = prepared()
      using killed = killedAfter(fake, at, options)
      const first = await install(killed.shell, fake.node, order).catch((error: unknown) => error)
      expect([at, livePair(fake, atOnce)]).toEqual([at, 'matches'])

      const again = await install(fake.shell(options), fake.node, order)
      expect([at, again.lineage.pair]).toEqual([at, 'matches'])
      expect([at, readlinkSync(join(fake.folder, 'served'))]).toEqual([at, wanted])
      expect([at, snapshot(fake.root, { times: false })]).toEqual([at, undisturbed.left])
      fake.calls()
      expect(await install(fake.shell(options), fake.node, order)).toMatchObject({ outcome: 'unchanged' })
      expect(fake.calls()).toEqual([])
      // Only the very last changes are so near the end that the answer may be out before the kill.
      if (at < undisturbed.calls - 3) expect([at, first]).toMatchObject([at, { left: 'unknown' }])
    }
    await Promise.all([worker(), worker()])
  })

  test('a program killed after any change is undone by the next run when nginx refuses the version', async () => {
    const { calls } = await reference(options)
    const positions = Array.from({ length: calls }, (_, i) => i + 1)
    const queue = sample(positions, 4)
    const worker = async () => {
      for (let at = queue.shift(); at !== undefined; at = queue.shift()) await killedAt(at)
    }
    const killedAt = async (at: number) => {
      using fake = prepared()
      const before = snapshot(fake.root, { times: false })
      using killed = killedAfter(fake, at, options)
      await install(killed.shell, fake.node, order).catch(() => {})
      const reloaded = fake.calls().some((call) => call.startsWith('systemctl'))
      fake.will('test', refuseNew(fake))
      const error = await install(fake.shell(options), fake.node, order).catch((reason: unknown) => reason)
      if (reloaded) return
      expect([at, error]).toMatchObject([at, { step: 'test', left: 'restored' }])
      // Files of the archive that a killed run has put there are kept: they may be in use.
      const after = snapshot(fake.root, { times: false })
      const inLive = (all: Record<string, string>) =>
        Object.entries(all).filter(([path]) => path.startsWith('live'))
      expect([at, inLive(after)]).toEqual([at, inLive(before)])
    }
    await Promise.all([worker(), worker()])
  })
})

const wanted = `../../archive/${certificate}/privkey2.pem`

/** A node on version 1 whose nginx remembers the link it was last reloaded with. */
function prepared(): FakeNode {
  const fake = fakeNode()
  fake.lay(one)
  fake.will('reload', `cp -Pf ${fake.path('live', certificate, 'privkey.pem')} ${fake.folder}/served`)
  // As nginx does, it refuses a mixed pair, and says whose.
  fake.will(
    'test',
    `${sameNumbers(fake)} || { echo "key values mismatch ${fake.path('live', certificate)}/"; exit 1; }`,
  )
  return fake
}

function sameNumbers(fake: FakeNode): string {
  const number = (kind: string) => `$(readlink ${fake.path('live', certificate, `${kind}.pem`)} | tr -dc 0-9)`
  return `[ "${number('privkey')}" = "${number('fullchain')}" ]`
}

function refuseNew(fake: FakeNode): string {
  const refused = `echo "no ${fake.path('live', certificate)}/"; exit 1`
  return `for kind in privkey fullchain; do case $(readlink ${fake.path('live', certificate)}/$kind.pem) in *2.pem) ${refused} ;; esac; done`
}

async function reference(options: { sh: string[]; without: string[] }) {
  using fake = prepared()
  using counted = killedAfter(fake, Infinity, options)
  await install(counted.shell, fake.node, order)
  return { calls: counted.calls(), left: snapshot(fake.root, { times: false }) }
}

function livePair(fake: FakeNode, strict: boolean): string {
  const read = (kind: string) => readFileSync(fake.path('live', certificate, `${kind}.pem`), 'utf8')
  for (const kind of fileKinds) expect(read(kind)).toMatch(/-----END [A-Z ]+-----\n$/)
  if (!strict) return 'matches'
  return new X509Certificate(read('fullchain')).checkPrivateKey(createPrivateKey(read('privkey')))
    ? 'matches'
    : 'differs'
}
