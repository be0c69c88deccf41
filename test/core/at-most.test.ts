import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { atMost } from '../../src/core/at-most.ts'

test('so many at a time, in the order they came, and a failure frees its place', async () => {
  const limit = atMost(3)
  const begun: number[] = []
  let [running, most] = [0, 0]
  const works = Array.from({ length: 20 }, (_, index) =>
    limit(async () => {
      begun.push(index)
      most = Math.max(most, ++running)
      await sleep(index % 4)
      running--
      if (index % 2 === 0) throw new Error(`${index}`)
      return index
    }),
  )
  const ends = await Promise.allSettled(works)
  expect(ends.map(({ status }) => status)).toEqual(
    works.map((_, index) => (index % 2 === 0 ? 'rejected' : 'fulfilled')),
  )
  expect([most, running]).toEqual([3, 0])
  expect(begun).toEqual(works.map((_, index) => index))
})
