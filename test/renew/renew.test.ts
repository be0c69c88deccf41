import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ProxyAnswer } from '../support/acme-proxy.ts'
import { type Renewing, startRenewing } from '../support/renewing.ts'
import { namedMissing } from '../lab/named.ts'

const missing = await namedMissing()
if (missing) process.stderr.write(`skipped: ${missing}\n`)

const [one, two, three] = ['one.fleet.example', 'two.fleet.example', 'three.fleet.example'] as const
const minuteMs = 60_000
const refusal = JSON.stringify({
  type: 'urn:ietf:params:acme:error:rateLimited',
  detail: 'too many certificates',
})

describe.skipIf(missing)('certs renew', () => {
  let place: Renewing
  beforeEach(async () => {
    place = await startRenewing({ certificates: { [one]: {}, [two]: {}, [three]: {} } })
    return async () => place[Symbol.asyncDispose]()
  })

  test('issues what is due, and then says nothing', async () => {
    const first = await place.certs('renew --now')
    expect(first).toMatchObject({ exitCode: 0, stderr: '' })
    expect(first.stdout.split('\n').filter(Boolean)).toEqual([
      one,
      expect.stringMatching(/^one\.fleet\.example: version 1 is stored, valid until .*; no node/),
      two,
      expect.stringContaining('two.fleet.example: version 1 is stored'),
      three,
      expect.stringContaining('three.fleet.example: version 1 is stored'),
    ])
    expect(place.deeds()).toEqual({ accounts: 1, orders: 3, certificates: 3 })

    expect(await place.certs('renew --now')).toEqual({ exitCode: 0, stdout: '', stderr: '' })
    const json = await place.certs('renew --now --json')
    expect(JSON.parse(json.stdout)).toEqual({ run: expect.any(String), certificates: [] })
    expect(place.deeds()).toEqual({ accounts: 0, orders: 0, certificates: 0 })
  })

  test('the Retry-After of one certificate parks it, and the others are issued', async () => {
    const body = { status: 429, headers: { 'retry-after': '7200' }, body: refusal }
    place.proxy.fault('newOrder', { do: 'answer', ...body }, { times: 1 })
    const first = await place.certs('renew --now')
    expect(first.exitCode).toBe(1)
    expect(first.stderr).toMatch(
      /^certs: error: ordering (one|two|three)\.fleet\.example .*too many certificates/,
    )
    expect(place.deeds()).toMatchObject({ orders: 2, certificates: 2 })
    const parked = /ordering (\S+)/.exec(first.stderr)?.[1] ?? ''

    const asked = place.proxy.count('newOrder')
    const second = await place.certs('renew --now')
    expect(second.exitCode).toBe(1)
    expect(second.stderr).toMatch(`${parked} is parked until `)
    expect(second.stderr).toContain('because the CA refuses until then: ordering')
    expect((await place.certs('plan')).stdout).toContain(`${parked} is parked until `)
    // Our own pauses give way to a person, what the CA said does not.
    expect((await place.certs(`rollout ${parked}`)).exitCode).toBe(1)
    expect(place.proxy.count('newOrder')).toBe(asked)

    await place.age(parked, 121 * minuteMs)
    expect(await place.certs('renew --now')).toMatchObject({ exitCode: 0, stderr: '' })
    expect(await place.attempts(parked)).toBeUndefined()
  })

  test('a name that can not be proved stops no other, and its pauses grow over restarts', async () => {
    // The CA sees another value than we wrote: the validation fails.
    place.proxy.fault('authorization', { do: 'edit', edit: otherToken(two) })
    for (const [failures, pause] of [
      [1, 1],
      [2, 10],
      [3, 100],
      [4, 24 * 60],
    ] as const) {
      const ran = await place.certs('renew --now')
      expect(ran.exitCode).toBe(1)
      expect(ran.stderr).toContain(`the CA could not validate ${two}`)
      expect(await place.attempts(two)).toMatchObject({ failures })
      const orders = place.proxy.count('newOrder')
      const again = await place.certs('renew --now')
      expect(again.stderr).toContain(`${two} is parked until `)
      expect(again.stderr).toContain(`certs: hint: mend the cause, then try at once: certs rollout ${two}`)
      expect(place.proxy.count('newOrder')).toBe(orders)
      await place.age(two, pause * minuteMs - 20_000)
      expect((await place.certs('renew --now')).stderr).toContain('is parked until')
      await place.age(two, 20_000)
    }
    expect(place.deeds()).toMatchObject({ orders: 2 + 4, certificates: 2 })
  }, 60_000)

  test('a person need not wait for our pauses', async () => {
    const killed = await place.certs(`renew ${one} --now`, { killAt: 'key-stored' })
    expect(killed.exitCode).toBe(128)
    const parked = await place.certs(`renew ${one} --now`)
    expect(parked.stderr).toContain(`${one} is parked until`)
    expect(parked.stderr).toContain('the run did not come to its end')
    expect(await place.certs(`rollout ${one}`)).toMatchObject({ exitCode: 0 })
    expect(await place.attempts(one)).toBeUndefined()
    expect(place.deeds()).toMatchObject({ orders: 1, certificates: 1 })
  })

  test('SIGTERM in the middle is no failure: the next run takes everything up at once, and orders nothing twice', async () => {
    const running = place.start('renew --now')
    await vi.waitUntil(() => place.proxy.count('newOrder') > 0, { timeout: 10_000, interval: 5 })
    running.kill('SIGTERM')
    await once(running, 'close')
    expect(running.exitCode).toBe(143)
    expect(await place.certs('renew --now')).toMatchObject({ exitCode: 0, stderr: '' })
    expect(place.deeds()).toEqual({ accounts: 1, orders: 3, certificates: 3 })
  })

  test('waits without the lock when it may, and SIGTERM ends the wait at once', async () => {
    const waiting = place.start(`renew ${one}`)
    let said = ''
    waiting.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
    await sleep(1_500)
    expect(await place.certs(`renew ${two} --now`)).toMatchObject({ exitCode: 0 })
    expect(waiting.exitCode).toBeNull()
    const began = performance.now()
    waiting.kill('SIGTERM')
    await once(waiting, 'close')
    expect(performance.now() - began).toBeLessThan(1_000)
    expect(waiting.exitCode, said).toBe(143)
    expect(said).toContain('interrupted before anything was begun')
    expect(place.deeds()).toMatchObject({ orders: 1 })
  })
})

describe.skipIf(missing)('twenty runs that crash', () => {
  let place: Renewing
  beforeAll(async () => {
    place = await startRenewing({ certificates: { [one]: {} } })
  })
  afterAll(async () => place?.[Symbol.asyncDispose]())

  /** Each lies on the way of every run that takes the order up where the one before left it. */
  const points = [
    'key-stored',
    ...Array.from({ length: 3 }, () => 'order-created'),
    ...Array.from({ length: 3 }, () => 'txt-created'),
    'challenge-answered',
    'finalize-sent',
    'order-created',
  ]

  test('order once, however long the pauses between them were', { timeout: 90_000 }, async () => {
    for (const point of points) {
      expect(await place.certs('renew --now', { killAt: point })).toMatchObject({ exitCode: 128 })
      // The next one comes at once; the one after it when the pause is over.
      expect(await place.certs('renew --now')).toMatchObject({ exitCode: 1 })
      await place.age(one, 24 * 60 * minuteMs)
    }
    expect(await place.certs('renew --now')).toMatchObject({ exitCode: 0 })
    expect(place.deeds()).toEqual({ accounts: 1, orders: 1, certificates: 1 })
    expect(await place.named.txt(`_acme-challenge.${one}`)).toEqual([])
  })
})

/** Gives the challenges of this name another token, so that we answer for one and the CA looks for the other. */
function otherToken(name: string): (answer: ProxyAnswer) => ProxyAnswer {
  return (answer) =>
    answer.body.includes(`"${name}"`)
      ? { ...answer, body: answer.body.replaceAll(/"token": ?"[^"]{4}/g, '"token":"AAAA') }
      : answer
}
