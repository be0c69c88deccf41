import { expect, test } from 'vitest'
import { cutWaves } from '../../src/core/waves.ts'

const nodes = ['a', 'b', 'c', 'd']

test.each([
  [{ canary: 1, waves: [0.5, 1] }, [['a'], ['b', 'c', 'd']]],
  [{ canary: 1, waves: [1] }, [['a'], ['b', 'c', 'd']]],
  [{ canary: 0, waves: [1] }, [['a', 'b', 'c', 'd']]],
  [{ canary: 9, waves: [0.5, 1] }, [['a', 'b', 'c', 'd']]],
  [
    { canary: 2, waves: [0.25, 0.75] },
    [
      ['a', 'b'],
      ['c', 'd'],
    ],
  ],
])('cuts four nodes by %j', (settings, waves) => {
  expect(cutWaves(nodes, settings)).toEqual(waves)
})

test('ten nodes go as one, half of all, and the rest', () => {
  const ten = 'abcdefghij'.split('')
  const cut = cutWaves(ten, { canary: 1, waves: [0.5, 1] })
  expect(cut.map((wave) => wave.length)).toEqual([1, 4, 5])
})

test('no node, no wave', () => {
  expect(cutWaves([], { canary: 1, waves: [1] })).toEqual([])
})

test('every node is in exactly one wave, in its order', () => {
  for (let count = 0; count < 60; count++) {
    const all = Array.from({ length: count }, (_, index) => `node-${index}`)
    expect(cutWaves(all, { canary: 2, waves: [0.1, 0.33, 1] }).flat()).toEqual(all)
  }
})
