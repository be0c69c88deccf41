import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { adopt, lookAtRenewals } from '../../deploy/adopt.ts'
import type { AdoptionStep, RenewalStep } from '../../src/core/adoption.ts'
import { fakeNode, shells, snapshot, type FakeNode } from '../support/fake-node.ts'
import { certificate, one } from '../support/installing.ts'
import { nodeFailure } from '../support/node-failure.ts'
import { sealedShell } from '../support/sealed-shell.ts'

vi.setConfig({ testTimeout: 60_000 })

const conf = `${certificate}.conf`
const sumOf = (fake: FakeNode, file: string) =>
  createHash('sha256')
    .update(readFileSync(fake.path('renewal', file)))
    .digest('hex')

/** A node with one renewal file, and a timer whose state is a file. */
function prepared(): FakeNode {
  const fake = fakeNode()
  fake.lay(one)
  const state = join(fake.folder, 'timer')
  writeFileSync(state, 'active\n')
  const ours = '*certbot.timer*'
  fake.will('status', `case $* in ${ours}) cat ${state} ;; *) echo inactive ;; esac`)
  fake.will(
    'reload',
    `case "$*" in
      "is-enabled certbot.timer") [ "$(cat ${state})" = active ] && echo enabled || echo disabled ;;
      "disable --now "${ours}) echo inactive >${state} ;;
      "enable --now "${ours}) echo active >${state} ;;
      is-enabled*) exit 1 ;;
    esac`,
  )
  return fake
}

const shelve = (fake: FakeNode, file = conf): RenewalStep => ({
  kind: 'shelve',
  file,
  sha256: sumOf(fake, file),
  because: '',
})
const stop: AdoptionStep = { kind: 'stop', unit: 'certbot.timer', because: '' }

describe.for(shells)('on %s', (sh) => {
  test('sees what renews, takes it over and gives it back, byte for byte', async () => {
    using fake = prepared()
    const shell = fake.shell({ sh })
    const before = snapshot(fake.root)
    const renewals = await lookAtRenewals(shell, fake.node)
    expect(renewals).toMatchObject({
      held: [{ file: conf, sha256: sumOf(fake, conf) }],
      shelved: [],
      units: [{ unit: 'certbot.timer', on: true }],
    })
    expect(snapshot(fake.root)).toEqual(before)

    const steps = [shelve(fake), stop]
    expect(await adopt(shell, fake.node, { steps })).toEqual({
      done: [
        { what: conf, to: `${conf}.off` },
        { what: 'certbot.timer', to: 'inactive' },
      ],
      kept: [],
    })
    const after = await lookAtRenewals(shell, fake.node)
    expect(after).toMatchObject({ held: [], shelved: [{ file: `${conf}.off` }], units: [{ on: false }] })

    const back: AdoptionStep[] = [
      { kind: 'unshelve', ...after.shelved[0]!, because: '' },
      { kind: 'start', unit: 'certbot.timer', because: '' },
    ]
    await adopt(shell, fake.node, { steps: back })
    const still = (all: Record<string, string>) => ({ ...all, renewal: '' })
    expect(still(snapshot(fake.root))).toEqual(still(before))
    expect(await lookAtRenewals(shell, fake.node)).toEqual(renewals)
  })

  test('never takes the place of another file, and leaves alone what has changed', async () => {
    using fake = prepared()
    const shell = fake.shell({ sh })
    writeFileSync(fake.path('renewal', `${conf}.off`), 'of another day')
    const step = shelve(fake)
    expect((await adopt(shell, fake.node, { steps: [step] })).done).toEqual([
      { what: conf, to: `${conf}.off.2` },
    ])
    expect(readFileSync(fake.path('renewal', `${conf}.off`), 'utf8')).toBe('of another day')

    writeFileSync(fake.path('renewal', conf), 'certbot wrote it anew')
    const back: AdoptionStep = { ...shelve(fake, `${conf}.off.2`), kind: 'unshelve' }
    const before = snapshot(fake.root)
    const result = await adopt(shell, fake.node, { steps: [step, back] })
    expect(result).toEqual({ done: [], kept: [conf, `${conf}.off.2`] })
    expect(snapshot(fake.root)).toEqual(before)
  })
})

test('a timer that does not stop is said, with what was done before it', async () => {
  using fake = prepared()
  fake.will('reload', 'echo "Failed to disable unit" >&2; exit 1')
  const error = await nodeFailure(adopt(fake.shell(), fake.node, { steps: [shelve(fake), stop] }))
  expect(error).toMatchObject({
    message: "sally: can't turn certbot.timer on or off",
    step: 'adopt',
    left: 'changed',
    exitCode: 1,
    detail: 'Failed to disable unit',
  })
})

test.each<[string, AdoptionStep]>([
  ['a path', { kind: 'shelve', file: '../live/x', sha256: 'aa', because: '' }],
  ['an option', { kind: 'shelve', file: '-x', sha256: 'aa', because: '' }],
  ['a service', { kind: 'stop', unit: 'ssh.service', because: '' }],
  ['a unit with an option', { kind: 'stop', unit: '--root=/x.timer', because: '' }],
  ['a file that was never set aside', { kind: 'unshelve', file: conf, sha256: 'aa', because: '' }],
])('an order that names %s is refused', async (_, step) => {
  using fake = prepared()
  const before = snapshot(fake.root)
  await expect(adopt(fake.shell(), fake.node, { steps: [step] })).rejects.toThrow('refused adopt (order')
  expect(snapshot(fake.root)).toEqual(before)
  expect(fake.calls()).toEqual([])
})

test('a login that takes orders only can not do it, and the way out is said', async () => {
  using fake = prepared()
  const before = snapshot(fake.root)
  const shell = sealedShell(fake)
  for (const act of [
    () => lookAtRenewals(shell, fake.node),
    () => adopt(shell, fake.node, { steps: [shelve(fake), stop] }),
  ]) {
    await expect(act()).rejects.toMatchObject({
      message: 'sally: its login can not do that, and is not meant to',
      left: 'unchanged',
      hints: [expect.stringContaining('certs nodes adopt sally --login root')],
    })
  }
  expect(fake.calls()).toEqual([])
  expect(snapshot(fake.root)).toEqual(before)
})
