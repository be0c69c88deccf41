import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { rollOut } from '../../deploy/rollout.ts'
import type { Rollout, RolloutOrder } from '../../deploy/rollout.ts'
import type { Event } from '../../src/core/event.ts'
import * as fleet from '../support/observed.ts'

interface Run extends Rollout {
  readonly started: readonly string[]
  readonly events: readonly Event[]
  readonly tookMs: number
}

/** Rolls out to nodes of which those named fail. */
async function run(
  waves: RolloutOrder['waves'],
  failing: readonly string[],
  { settings, ...change }: Partial<Omit<RolloutOrder, 'settings'>> & { settings?: object } = {},
): Promise<Run> {
  const started: string[] = []
  const events: Event[] = []
  const began = performance.now()
  const rollout = await rollOut({
    certificate: fleet.name,
    waves,
    settings: { ...fleet.rollout, ...settings },
    deploy: async (node) => {
      started.push(node)
      await sleep(5)
      return { node, status: failing.includes(node) ? 'failed' : 'done', because: '' }
    },
    emit: (event) => void events.push(event),
    signal: new AbortController().signal,
    ...change,
  })
  return { ...rollout, started, events, tookMs: performance.now() - began }
}

const waves = [['a'], ['b', 'c', 'd'], ['e', 'f']]

describe('a rollout', () => {
  test('goes wave by wave, and halts nowhere when all is well', async () => {
    const { nodes, started, events, ...end } = await run(waves, [])
    expect(started).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
    expect(new Set(nodes.map(({ status }) => status))).toEqual(new Set(['done']))
    expect(events.map(({ kind }) => kind)).toEqual(['wave-started', 'wave-started', 'wave-started'])
    expect(end).toEqual({ tookMs: expect.any(Number) })
  })

  test.each([
    ['the canary', ['a'], 1, ['a']],
    ['a node of the second wave', ['b'], 1, ['a', 'b', 'c', 'd']],
    ['fewer than haltAfter', ['a', 'c'], 3, ['a', 'b', 'c', 'd', 'e', 'f']],
    ['haltAfter of two waves', ['a', 'c'], 2, ['a', 'b', 'c', 'd']],
  ])('%s fails: what is started and what is not', async (_what, failing, haltAfter, expected) => {
    const { started, nodes, halted } = await run(waves, failing, { settings: { haltAfter } })
    expect(started).toEqual(expected)
    const left = waves.flat().filter((node) => !expected.includes(node))
    expect(nodes.filter(({ status }) => status === 'not-run').map(({ node }) => node)).toEqual(left)
    expect(halted).toBe(
      left.length === 0 ? undefined : `${failing.join(', ')} failed, and haltAfter is ${haltAfter}`,
    )
  })

  test('one by one, nothing of the wave follows the node that failed', async () => {
    const { started } = await run(waves, ['b'], { settings: { concurrency: 1 } })
    expect(started).toEqual(['a', 'b'])
  })

  test('the last node of all fails: nothing is left to halt, and it is said that enough failed', async () => {
    const { halted, failed } = await run(waves, ['f'])
    expect({ halted, failed }).toEqual({ halted: undefined, failed: 'f failed, and haltAfter is 1' })
  })

  test('does not settle after a failure before it halts', async () => {
    const { halted, tookMs } = await run(waves, ['a'], { settings: { settleMs: 60_000 } })
    expect(halted).toBe('a failed, and haltAfter is 1')
    expect(tookMs).toBeLessThan(5_000)
  })

  test('settles between waves that are well', async () => {
    expect((await run(waves, [], { settings: { settleMs: 100 } })).tookMs).toBeGreaterThan(195)
  })

  test('interrupted while it settles, it ends at once and starts nothing', async () => {
    const interruption = new AbortController()
    setTimeout(() => interruption.abort(), 100)
    const { signal } = interruption
    const { started, halted, failed, tookMs } = await run(waves, [], {
      settings: { settleMs: 60_000 },
      signal,
    })
    expect(started).toEqual(['a'])
    expect({ halted, failed }).toEqual({ halted: 'the run was interrupted', failed: undefined })
    expect(tookMs).toBeLessThan(5_000)
  })
})
