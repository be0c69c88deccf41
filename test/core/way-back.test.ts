import { expect, test } from 'vitest'
import type { CertificatePlan, NodePlan } from '../../src/core/plan.ts'
import type { NodeResult } from '../../src/core/result.ts'
import { mergeWayBack, planWayBack } from '../../src/core/way-back.ts'
import * as fleet from '../support/observed.ts'

const because = 'the rollout halted: e failed, and haltAfter is 1'
const waves = [['a'], ['b', 'c'], ['d', 'e'], ['f']]
const good = fleet.leafOf(3)

function stepOf(node: string, change: Partial<NodePlan> = {}): NodePlan {
  return { node, action: 'install', from: 3, to: 4, because: '', drift: [], served: [good], ...change }
}

function planOf(changes: Readonly<Record<string, Partial<NodePlan>>> = {}): CertificatePlan {
  const issuance = { kind: 'keep', from: 4, number: 4, notAfter: good.notAfter, because: '' } as const
  const nodes = waves.flat().map((node) => stepOf(node, changes[node]))
  return { certificate: fleet.name, issuance, nodes, waves }
}

function resultsOf(changes: Readonly<Record<string, Partial<NodeResult>>> = {}): NodeResult[] {
  const ended: Readonly<Record<string, Partial<NodeResult>>> = {
    e: { status: 'failed' },
    f: { status: 'not-run' },
  }
  return waves.flat().map((node) => ({
    node,
    status: 'done',
    from: 3,
    to: 4,
    because: 'verified',
    ...ended[node],
    ...changes[node],
  }))
}

function wayBack(plan = planOf(), results = resultsOf(), blocked = new Map()) {
  return planWayBack({ plan, results, because, blocked, now: fleet.now })
}

test('what was done goes back, the last wave first; what failed or was not started is left alone', () => {
  const { steps, waves: back, staying } = wayBack()
  expect(back).toEqual([['d'], ['b', 'c'], ['a']])
  expect(steps.map(({ node, from, to }) => `${node} ${from} → ${to}`)).toEqual([
    'a 4 → 3',
    'b 4 → 3',
    'c 4 → 3',
    'd 4 → 3',
  ])
  expect(steps[0]).toEqual({ node: 'a', action: 'roll-back', from: 4, to: 3, because, drift: [], served: [] })
  expect(staying).toEqual({})
})

const key = { certificate: fleet.name, number: 3, reason: 'keyCompromise', at: '2026-11-23T10:00:00.000Z' }

test.each<[string, Partial<NodePlan>, Partial<NodeResult>, Map<string, unknown>, string]>([
  ['there was none', { served: [] }, { from: undefined }, new Map(), 'there was no version before this one'],
  ['only nginx was reloaded', {}, { from: 4 }, new Map(), 'its files were right already'],
  ['it has expired', { served: [fleet.leafOf(2)] }, {}, new Map(), 'what it served before has expired'],
  ['nothing was served', { served: [] }, {}, new Map(), 'it served no certificate before'],
  ['its key is blocked', {}, {}, new Map([['spki-3', key]]), 'the key of what it served before is blocked'],
])('a node stays on the new version when of the one before %s', (_what, step, result, blocked, why) => {
  const others = Object.fromEntries(['b', 'c', 'd', 'e'].map((node) => [node, { status: 'failed' as const }]))
  const results = resultsOf({ ...others, a: result })
  const back = wayBack(planOf({ a: step }), results, blocked)
  expect(back).toEqual({ steps: [], waves: [], staying: { a: why } })
  expect(mergeWayBack(results, back, [])[0]).toMatchObject({
    status: 'done',
    to: 4,
    because: `verified; stays, because ${why}`,
  })
})

test('one expired certificate of several that were served is no reason to stay', () => {
  const { waves: back } = wayBack(planOf({ a: { served: [fleet.leafOf(2), good] } }))
  expect(back.flat()).toContain('a')
})

test('each node is told by its last word', () => {
  const results = resultsOf()
  const back: NodeResult[] = [
    { node: 'd', status: 'done', from: 4, to: 3, because: 'verified at 1 endpoint' },
    { node: 'b', status: 'failed', from: 4, to: 3, because: 'no', error: { message: 'b: no', hints: [] } },
    { node: 'c', status: 'not-run', because: 'the run was interrupted' },
  ]
  const told = mergeWayBack(results, wayBack(), back)
  expect(told.map(({ node, status, to }) => `${node} ${status} ${to}`)).toEqual([
    'a done 4',
    'b failed 3',
    'c done 4',
    'd rolled-back 3',
    'e failed 4',
    'f not-run 4',
  ])
  expect(told[2]?.because).toBe('verified; not rolled back, because the run was interrupted')
})
