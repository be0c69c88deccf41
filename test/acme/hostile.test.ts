import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Fault } from '../support/acme-proxy.ts'
import { failureOf, problemDocument, useFaultyCa, withBody } from '../support/faulty-ca.ts'
import { createController } from '../support/issuing.ts'

const faulty = useFaultyCa()

describe('a hostile CA', () => {
  let listener: Server
  let visits = 0
  let evil: string
  beforeAll(async () => {
    listener = createServer((socket) => {
      visits++
      socket.destroy()
    }).listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const address = listener.address()
    evil = typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : ''
  })
  afterAll(() => void listener.close())

  const edited = (edit: (body: Record<string, unknown>) => object): Fault => ({
    do: 'edit',
    edit: (answer) => {
      if (answer.status >= 400 || answer.body === '') return answer
      return { ...answer, body: JSON.stringify(edit(JSON.parse(answer.body) as Record<string, unknown>)) }
    },
  })

  test.for([
    ['directory', 'newOrder'],
    ['directory', 'newNonce'],
    ['newOrder', 'finalize'],
    ['newOrder', 'authorizations'],
    ['order', 'certificate'],
  ] as const)('that in its %s names another host for %s is not followed there', async ([kind, field]) => {
    const elsewhere = `https://${evil}/x`
    const change = edited((body) => ({
      ...body,
      [field]: field === 'authorizations' ? [elsewhere] : elsewhere,
    }))
    faulty.proxy.fault(kind, change)
    const error = await faulty.converges()
    expect(error?.message).toMatch(/the CA pointed to https:\/\/127\.0\.0\.1:\d+, not to https:/)
    expect(visits).toBe(0)
  })

  test.for(['Location', 'http', 'user'] as const)(
    'is not followed off its own https origin: %s',
    async (what) => {
      const own = new URL(faulty.proxy.directory)
      const where = {
        Location: `https://${evil}/`,
        http: `http://${own.host}/o`,
        user: `https://a:b@${own.host}/o`,
      }
      faulty.proxy.fault('newOrder', {
        do: 'edit',
        edit: (answer) => ({ ...answer, headers: { ...answer.headers, location: where[what] } }),
      })
      expect((await faulty.converges())?.message).toContain('the CA pointed to ')
      expect(visits).toBe(0)
    },
  )

  test('that redirects is not followed', async () => {
    faulty.proxy.fault('order', { do: 'answer', status: 307, headers: { location: `https://${evil}/` } })
    expect((await faulty.converges())?.message).toMatch(
      /^reading the order at .* a redirect, which is never followed$/,
    )
    expect(visits).toBe(0)
  })

  test('that answers 2 MB is not read to the end', async () => {
    faulty.proxy.fault('order', withBody(`"${'x'.repeat(2_000_000)}"`))
    expect((await faulty.converges())?.message).toContain('the answer is larger than 1 MB')
  })

  test.for([
    ['a token with a path in it', { token: '../../../../etc/passwd-and-more' }],
    ['a token of one byte', { token: 'x' }],
    ['a token of 100 kB', { token: 'x'.repeat(100_000) }],
  ] as const)('with %s is refused', async ([, change]) => {
    const spoil = edited((body) => ({
      ...body,
      challenges: (body['challenges'] as object[]).map((challenge) => ({ ...challenge, ...change })),
    }))
    faulty.proxy.fault('authorization', spoil)
    expect((await faulty.converges())?.message).toContain("the CA's answer has no usable token")
  })

  test('that wants a proof for another name gets none', async () => {
    faulty.proxy.fault(
      'authorization',
      edited((body) => ({ ...body, identifier: { type: 'dns', value: 'victim.example' } })),
    )
    expect((await faulty.converges())?.message).toMatch(
      /asks for a proof of "victim\.example", which is not ours$/,
    )
    expect(await faulty.solver.values('_acme-challenge.victim.example')).toEqual([])
  })

  test('that makes an order for other names is refused', async () => {
    await using controller = await createController()
    const { run } = faulty.order()
    faulty.proxy.fault(
      'newOrder',
      edited((body) => ({ ...body, identifiers: [{ type: 'dns', value: 'other.example' }] })),
    )
    expect((await failureOf(run(controller))).message).toContain('the CA made an order for other names')
  })

  test('can not write to the terminal', async () => {
    await using controller = await createController()
    const { run } = faulty.order()
    const detail = `\u001b]8;;http://evil\u0007click\u001b[2J\r\n\u202e${'x'.repeat(5_000)}`
    faulty.proxy.fault('newOrder', {
      do: 'answer',
      status: 403,
      body: problemDocument('unauthorized', detail),
    })
    const { message } = await failureOf(run(controller))
    expect(message).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    expect(message.length).toBeLessThan(900)
  })

  test('that returns another certificate is refused, and the next run orders anew', async () => {
    await using controller = await createController()
    const other = await faulty.ca.issue(['evil.example'])
    const { run, name } = faulty.order()
    faulty.proxy.fault('certificate', withBody(other.cert + faulty.pebble.roots()))
    const error = await failureOf(run(controller))
    expect(error.message).toBe(
      "the certificate that the CA returned can't be used: it is for another key than ours",
    )
    expect(await controller.store.listVersions(name)).toEqual([])
    faulty.proxy.reset()
    await run(controller)
    const orders = controller.events.filter((event) => event.kind === 'order-created')
    expect(orders).toMatchObject([{ resumed: false }, { resumed: false }])
  })
})

describe('what a CA may add is ignored', () => {
  test('other challenge types and fields', async () => {
    faulty.proxy.fault('authorization', {
      do: 'edit',
      edit: (answer) => {
        if (answer.status >= 400) return answer
        const body = JSON.parse(answer.body) as { challenges: object[] }
        const others = [{ type: 'weird-99', url: 5 }, { type: 7 }, {}, null]
        const challenges = [...others, ...body.challenges.toReversed(), { type: 'dns-02', token: '/' }]
        return { ...answer, body: JSON.stringify({ ...body, challenges, extra: { deep: [1] } }) }
      },
    })
    expect(await faulty.converges()).toBeUndefined()
  })
})
