import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { useFaultyCa, badNonce, type FaultyCa, failureOf } from '../support/faulty-ca.ts'
import { createController } from '../support/issuing.ts'
import type { RequestKind } from '../support/acme-proxy.ts'

const faulty = useFaultyCa()

const withBody: readonly RequestKind[] = [
  'directory',
  'newOrder',
  'order',
  'authorization',
  'finalize',
  'certificate',
]

describe('an answer a byte at a time', () => {
  test.for(withBody)('ends at the deadline of its request, and the next one is whole: %s', async (kind) => {
    faulty.proxy.fault(kind, { do: 'drip', everyMs: 20 }, { times: 1, unless: badNonce })
    expect(await faulty.converges()).toBeUndefined()
  })

  test('that never gets better ends the run in time', async () => {
    faulty.proxy.fault('order', { do: 'drip', everyMs: 20 })
    const error = await faulty.converges()
    expect(error?.message).toMatch(/^reading the order at .* failed: no answer within 0\.5 s$/)
  })
})

describe('an answer', () => {
  test('without an end is not read to its end', async () => {
    faulty.proxy.fault('order', { do: 'flood' }, { times: 1 })
    const error = await faulty.converges()
    expect(error?.message).toMatch(/^reading the order at .* failed: the answer is larger than 1 MB$/)
    // What was read, and what the buffers between hold.
    expect(faulty.proxy.flooded()).toBeLessThan(10_000_000)
  })

  test('that would unpack to a hundred times its size is not unpacked', async () => {
    const body = gzipSync(Buffer.alloc(50_000_000, ' '))
    const headers = { 'content-encoding': 'gzip', 'content-type': 'application/json' }
    faulty.proxy.fault('order', { do: 'answer', status: 200, headers, body }, { times: 1 })
    const before = process.memoryUsage().rss
    const error = await faulty.converges()
    expect(error?.message).toMatch(/^reading the order at .* failed: the CA answered no JSON \(HTTP 200\)$/)
    expect(process.memoryUsage().rss - before).toBeLessThan(40_000_000)
  })

  test('of another content type is judged by what it says', async () => {
    for (const kind of withBody) {
      faulty.proxy.fault(kind, {
        do: 'edit',
        edit: (answer) => ({ ...answer, headers: { ...answer.headers, 'content-type': 'text/html' } }),
      })
    }
    expect(await faulty.converges()).toBeUndefined()
  })

  test('with ten thousand authorizations is refused', async () => {
    await using controller = await createController()
    const { run } = faulty.order()
    faulty.proxy.fault('newOrder', {
      do: 'edit',
      edit: (answer) => {
        if (answer.status >= 400) return answer
        const body = JSON.parse(answer.body) as { authorizations: string[] }
        const authorizations = Array.from({ length: 10_000 }, () => body.authorizations[0])
        return { ...answer, body: JSON.stringify({ ...body, authorizations }) }
      },
    })
    expect((await failureOf(run(controller))).message).toMatch(
      /the CA's answer has no usable authorizations$|1 MB$/,
    )
    expect(faulty.proxy.count('authorization')).toBe(0)
  })
})

test('nonces that are given twice are got along with', async () => {
  let last: string | undefined
  const repeat = {
    do: 'edit',
    edit: (answer) => {
      const { 'replay-nonce': fresh, ...headers } = answer.headers
      const nonce = last ?? fresh
      last = typeof fresh === 'string' ? fresh : last
      return { ...answer, headers: { ...headers, ...(nonce !== undefined && { 'replay-nonce': nonce }) } }
    },
  } as const satisfies Parameters<FaultyCa['proxy']['fault']>[1]
  for (const kind of ['newOrder', 'authorization', 'challenge', 'finalize'] as const) {
    faulty.proxy.fault(kind, repeat)
  }
  expect(await faulty.converges()).toBeUndefined()
})
