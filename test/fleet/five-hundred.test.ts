import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Answers } from './behaviour.ts'
import { certificate, startCrowd, type Crowd } from './crowd.ts'
import { faultyFleet, type FaultyFleet } from './faulty-fleet.ts'
import { nodesOf, runMeasured, type MeasuredOptions } from './measured-run.ts'

const whole = process.env['CERTS_FAULTS'] === 'all'
vi.setConfig({ testTimeout: 300_000 })

const count = 500
const fleetOf = (answers: Answers): FaultyFleet => faultyFleet(answers, count, { long: whole })

describe(`${count} nodes, a tenth of which fails, each in another way`, () => {
  let crowd: Crowd
  let names: FaultyFleet['names']
  let faults: FaultyFleet['faults']
  beforeAll(async () => {
    crowd = await startCrowd((answers) => fleetOf(answers).script)
    ;({ names, faults } = fleetOf(crowd.answers))
  }, 60_000)
  afterAll(() => crowd?.[Symbol.asyncDispose]())

  async function rollOut(rollout: object, options: Partial<MeasuredOptions> = {}) {
    await crowd.reset()
    const config = await crowd.configure({ deadline: '5s', ...rollout })
    const run = await runMeasured(`rollout ${certificate} --json`, {
      folder: crowd.folder,
      config,
      ...options,
    })
    const told = await crowd.tell()
    const installed = names.filter((name) => told[name]!.orders.includes('install'))
    return { ...run, nodes: nodesOf(run), told, installed }
  }

  test('each is told of by its name and its cause, all others are done, and memory stays below 300 MB', async () => {
    const { exitCode, nodes, told, stderr, megabytes, ms } = await rollOut({
      haltAfter: count,
      concurrency: 50,
    })
    if (whole) console.log(`${count} nodes: ${(ms / 1000).toFixed(1)} s, ${Math.round(megabytes)} MB`)
    expect(exitCode).toBe(1)
    expect([...nodes.keys()].toSorted()).toEqual(names.toSorted())
    for (const name of names.filter((one) => !faults.has(one))) {
      expect([name, nodes.get(name)!.status, told[name]!.serves]).toEqual([name, 'done', 'new'])
    }
    const causes = [...faults].map(([name]) => [name, nodes.get(name)!.status, nodes.get(name)!.because])
    expect(causes).toEqual(
      [...faults].map(([name, { says }]) => [name, 'failed', expect.stringMatching(says)]),
    )
    for (const [name, { early }] of faults) {
      expect(stderr.match(new RegExp(`^certs: error: ${name}: `, 'gm')), name).toHaveLength(1)
      if (early) expect([name, told[name]!.orders]).toEqual([name, expect.not.arrayContaining(['install'])])
    }
    // oxlint-disable-next-line no-control-regex
    expect(stderr).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/)
    expect(megabytes).toBeLessThan(300)
  })

  test('halted within a wave: at most those in hand are finished, and no other node of it gets an order', async () => {
    const { exitCode, nodes, installed, told } = await rollOut({ haltAfter: 2, concurrency: 8 })
    expect(exitCode).toBe(1)
    const by = (status: string) => names.filter((name) => nodes.get(name)!.status === status)
    const failedNow = by('failed').filter((name) => installed.includes(name))
    // Of eight side by side, the others may fail while they are finished.
    expect(failedNow.length).toBeGreaterThanOrEqual(2)
    expect(failedNow.length).toBeLessThanOrEqual(2 + 7)
    expect([...by('done'), ...failedNow].toSorted()).toEqual(installed.toSorted())
    expect(installed.length).toBeGreaterThan(8)
    expect(installed.length).toBeLessThan(120)
    // The wave is of half of them all.
    expect(
      by('not-run').filter((name) => names.indexOf(name) < count / 2 && told[name]!.live === 'old').length,
    ).toBeGreaterThan(100)
    for (const name of by('not-run')) expect([name, told[name]!.orders]).toEqual([name, ['inspect']])
  })

  test('Ctrl-C: the nodes in hand are finished, no other is started, and the report says which is where', async () => {
    const interrupt = { text: ': serves version 2\n', times: 20, signal: 'SIGINT' } as const
    const { exitCode, nodes, installed, told, stderr } = await rollOut(
      { haltAfter: count, concurrency: 8 },
      { interrupt },
    )
    expect(exitCode).toBe(130)
    expect(stderr).toContain('certs: SIGINT: finishing what is in hand, starting nothing new\n')
    const atSignal = stderr.indexOf('certs: SIGINT')
    // Those whose beginning was being written down.
    expect(stderr.slice(atSignal).split(': installing version').length - 1).toBeLessThanOrEqual(8)
    expect(installed.length).toBeGreaterThanOrEqual(20)
    expect(installed.length).toBeLessThan(60)
    for (const name of names) {
      const { status } = nodes.get(name)!
      if (installed.includes(name)) expect([name, status]).not.toEqual([name, 'not-run'])
      else
        expect([name, status, told[name]!.live]).toEqual([
          name,
          expect.stringMatching(/not-run|failed/),
          'old',
        ])
      if (installed.includes(name) && !faults.has(name)) expect([name, status]).toEqual([name, 'done'])
      if (status === 'done') expect([name, told[name]!.serves]).toEqual([name, 'new'])
    }
  })
})
