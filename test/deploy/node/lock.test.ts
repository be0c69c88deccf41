import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { install } from '../../../deploy/install.ts'
import { fakeNode, snapshot } from '../../support/fake-node.ts'
import { bring, one, order } from '../../support/installing.ts'
import { nodeFailure } from '../../support/node-failure.ts'

vi.setConfig({ testTimeout: 60_000 })

test('an install waits for another that is at work on the node', async () => {
  for (const without of [[], ['/usr/bin/flock']]) {
    using fake = fakeNode()
    fake.lay(one)
    fake.will('test', `sleep 0.4`)
    const options = { without, seeProcesses: true }
    const both = [bring(fake, {}, options), bring(fake, {}, options)]
    const outcomes = (await Promise.all(both)).map(({ outcome }) => outcome)
    expect(outcomes.toSorted()).toEqual(['installed', 'unchanged'])
    expect(snapshot(fake.path('archive'))).not.toHaveProperty('.certs.lock')
  }
})

test('what a killed run has left running holds no lock', async () => {
  for (const without of [[], ['/usr/bin/flock']]) {
    using fake = fakeNode()
    fake.lay(one)
    fake.will('test', `echo $$ >${fake.folder}/hanging; exec sleep 60`)
    const shell = fake.shell({ without, seeProcesses: true })
    const stopped = new AbortController()
    const killed = install(shell, fake.node, { ...order, signal: stopped.signal })
    while (!existsSync(join(fake.folder, 'hanging'))) await sleep(5)
    stopped.abort()
    expect(await nodeFailure(killed)).toMatchObject({ left: 'unknown' })
    fake.will('test', ':')
    const started = performance.now()
    expect(await bring(fake, {}, { without, seeProcesses: true })).toMatchObject({ outcome: 'installed' })
    expect(performance.now() - started).toBeLessThan(900)
    const left = Number(readFileSync(join(fake.folder, 'hanging'), 'utf8'))
    if (left > 1) process.kill(left, 'SIGKILL')
  }
})

test('a lock whose holder is dead is broken', async () => {
  using fake = fakeNode()
  fake.lay(one)
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  for (const holder of ['1:another-boot:1', `1:${boot}:999999999`, `4194303:${boot}:1`, 'nonsense']) {
    symlinkSync(holder, fake.path('archive/.certs.lock'))
    await bring(fake, { forceReload: true }, { without: ['/usr/bin/flock'] })
    expect(snapshot(fake.path('archive'))).not.toHaveProperty('.certs.lock')
  }
})
