import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { namedMissing } from '../lab/named.ts'
import { problemDocument } from '../support/faulty-ca.ts'
import { startTwoCas, type LocalCa, type TwoCas } from '../support/two-cas.ts'

const missing = await namedMissing()
if (missing) process.stderr.write(`skipped: ${missing}\n`)

const name = 'one.fleet.example'
const none = { accounts: 0, orders: 0, certificates: 0 }
const one = { accounts: 1, orders: 1, certificates: 1 }
const headers = { 'retry-after': '7200' }
/** It does not want to be asked again for so long that no run waits for it. */
const down = ({ proxy }: LocalCa) => proxy.fault('directory', { do: 'answer', status: 503, headers })

describe.skipIf(missing)('a run killed between two CAs', () => {
  let place: TwoCas
  beforeEach(async () => {
    place = await startTwoCas({ certificates: { [name]: {} } })
  })
  afterEach(async () => place?.[Symbol.asyncDispose]())

  const killed = async (killAt: string, line = `rollout ${name}`) =>
    expect(await place.certs(line, { killAt })).toMatchObject({ exitCode: 128 })
  const versions = () => place.look((store) => store.listVersions(name))
  /** Nothing is left over anywhere. */
  const tidy = async () => {
    expect(await place.named.txt(`_acme-challenge.${name}`)).toEqual([])
    for (const left of ['orders', 'txt']) expect(await place.look((store) => store.list(left))).toEqual([])
    expect((await place.certs('renew --now')).stdout).toBe('')
  }

  test('asks neither twice: what the first one refused is on record, and the other one issues', async () => {
    const body = problemDocument('rateLimited')
    place.first.proxy.fault('newOrder', { do: 'answer', status: 429, headers, body })
    await killed('ca-passed-over')
    const asked = place.first.proxy.count('newOrder')
    expect(await place.certs(`rollout ${name}`)).toMatchObject({ exitCode: 0 })
    expect(place.first.proxy.count('newOrder')).toBe(asked)
    expect(place.second.deeds()).toEqual(one)
    await tidy()
  })

  test.each(['order-created', 'txt-created', 'challenge-answered', 'finalize-sent', 'version-stored'])(
    'at %s by the second one is finished there, although the first one is back',
    async (point) => {
      down(place.first)
      await killed(point)
      place.first.proxy.reset()
      expect(await place.certs(`rollout ${name}`)).toMatchObject({ exitCode: 0 })
      expect([place.first.deeds(), place.second.deeds()]).toEqual([none, one])
      expect(await versions()).toEqual([1])
      await tidy()
    },
  )

  test.each(['key-stored', 'order-created', 'txt-created', 'challenge-answered'])(
    'at %s by the first one, which then is down: that order is left, and nothing came of it',
    async (point) => {
      await killed(point)
      down(place.first)
      const { exitCode, stdout, stderr } = await place.certs(`rollout ${name}`)
      expect(exitCode, stderr).toBe(0)
      expect(stdout).toContain(`${place.second.host} issued version 1, because ${place.first.host}`)
      expect(place.second.deeds()).toEqual(one)
      expect(place.first.deeds()).toMatchObject({ certificates: 0 })
      expect(await versions()).toEqual([1])
      await tidy()
    },
  )

  test('once finalize was sent, its CA is waited for, so that no version has two certificates', async () => {
    expect(await place.certs(`rollout ${name}`)).toMatchObject({ exitCode: 0 })
    await killed('finalize-sent', `rollout ${name} --force-renew`)
    down(place.first)
    const waiting = await place.certs(`rollout ${name}`)
    expect(waiting.exitCode).toBe(1)
    expect(waiting.stderr).toContain(`reading the directory at ${place.first.host} failed`)
    expect(place.second.proxy.count('newOrder')).toBe(0)

    place.first.proxy.reset()
    await place.age(name, 121 * 60_000)
    expect(await place.certs(`rollout ${name}`)).toMatchObject({ exitCode: 0 })
    expect(place.first.deeds()).toEqual({ accounts: 1, orders: 2, certificates: 2 })
    expect(await versions()).toEqual([1, 2])
    await tidy()
  })

  test('unless nothing valid is stored: then the next version is made elsewhere, and that number never comes', async () => {
    await killed('finalize-sent')
    down(place.first)
    expect(await place.certs(`rollout ${name}`)).toMatchObject({ exitCode: 0 })
    expect(place.second.deeds()).toEqual(one)
    expect(await versions()).toEqual([2])
    place.first.proxy.reset()
    await tidy()
    expect(place.first.deeds()).toEqual(one)
  })
})
