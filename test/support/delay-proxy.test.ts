import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256 } from '../../src/core/certificate.ts'
import { startDelayProxy } from './delay-proxy.ts'
import type { DelayProxyOptions } from './delay-proxy.ts'

const rttMs = 60
const echo = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => undefined)
  socket.pipe(socket)
})
let port: number
beforeAll(async () => {
  await once(echo.listen(0, '127.0.0.1'), 'listening')
  port = (echo.address() as AddressInfo).port
})
afterAll(() => echo.close())

async function through(options: Partial<DelayProxyOptions> = {}) {
  const proxy = await startDelayProxy({ host: '127.0.0.1', port }, { rttMs, ...options })
  const client = connect({ host: proxy.address, port: proxy.port, noDelay: true })
  await once(client, 'connect')
  return { proxy, client }
}

async function timeOf(act: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await act()
  return performance.now() - began
}

const pingPong = (client: Socket) => async () => {
  client.write('ping')
  await once(client, 'data')
}

describe('the delaying proxy', () => {
  test('costs two round trips up to the first answer, one of them for the handshake, then one each', async () => {
    const { proxy, client } = await through()
    await using _proxy = proxy
    const first = await timeOf(pingPong(client))
    const second = await timeOf(pingPong(client))
    client.destroy()
    expect(first).toBeGreaterThan(2 * rttMs - 5)
    expect(first).toBeLessThan(2 * rttMs + 60)
    expect(second).toBeGreaterThan(rttMs - 5)
    expect(second).toBeLessThan(rttMs + 60)
  })

  test('passes a megabyte on unchanged, and the end after it', async () => {
    const { proxy, client } = await through()
    await using _proxy = proxy
    const bytes = randomBytes(1_000_000)
    client.end(bytes)
    expect(sha256(await buffer(client))).toBe(sha256(bytes))
    expect(proxy.connections).toBe(1)
  })

  test.each([1, 999, 70_000])('cuts by RST when %i bytes have come back', async (afterBytes) => {
    const { proxy, client } = await through({ cut: { afterBytes, way: 'back' } })
    await using _proxy = proxy
    let got = 0
    client.on('data', (piece) => (got += piece.length))
    client.write(randomBytes(100_000))
    const [error] = await once(client, 'error').catch((reason: unknown) => [reason])
    expect(error).toMatchObject({ code: 'ECONNRESET' })
    expect(got).toBeLessThanOrEqual(afterBytes)
  })

  test('passes exactly N bytes on before it cuts', async () => {
    const received: Buffer[] = []
    const sink = createServer((socket) =>
      socket.on('data', (piece) => received.push(piece)).on('error', () => undefined),
    )
    await once(sink.listen(0, '127.0.0.1'), 'listening')
    const to = { host: '127.0.0.1', port: (sink.address() as AddressInfo).port }
    await using proxy = await startDelayProxy(to, { rttMs, cut: { afterBytes: 1234, way: 'there' } })
    const client = connect({ host: proxy.address, port: proxy.port })
    client.on('error', () => undefined)
    client.write(randomBytes(5000))
    await new Promise((closed) => client.once('close', closed))
    await wait(20)
    expect(Buffer.concat(received)).toHaveLength(1234)
    sink.close()
  })

  test('holds everything while it is frozen, and closes nothing', async () => {
    const { proxy, client } = await through()
    await using _proxy = proxy
    await pingPong(client)()
    proxy.freeze()
    const answer = pingPong(client)()
    expect(await Promise.race([answer, wait(4 * rttMs, 'nothing')])).toBe('nothing')
    proxy.thaw()
    await answer
    client.destroy()
  })

  test('resets what is open, and takes new connections', async () => {
    const { proxy, client } = await through()
    await using _proxy = proxy
    await pingPong(client)()
    const reset = once(client, 'error').catch((reason: unknown) => [reason])
    proxy.reset()
    expect((await reset)[0]).toMatchObject({ code: 'ECONNRESET' })
    const next = connect({ host: proxy.address, port: proxy.port })
    await pingPong(next)()
    next.destroy()
  })
})
