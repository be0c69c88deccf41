import type { RequestListener, ServerResponse } from 'node:http'
import { beforeAll, describe, expect, test } from 'vitest'
import { probe } from '../../deploy/probe.ts'
import { freePort } from '../support/dependent-process.ts'
import { type Chain, makeChain } from '../support/chain.ts'
import { startTlsServer } from '../support/tls-server.ts'

const url = 'https://media.example.org/health.png?size=1'
const wanted = { url, status: 200, contentType: 'image/' }
let chain: Chain
beforeAll(async () => {
  chain = await makeChain({ names: ['media.example.org'] })
})

async function probing(answer: RequestListener, options: Parameters<typeof probe>[2] = {}) {
  await using server = await startTlsServer({ key: chain.key, cert: chain.leaf + chain.intermediate, answer })
  const { ok, said } = await probe(wanted, server.endpoint, {
    roots: chain.root,
    timeoutMs: 2_000,
    ...options,
  })
  return { ok, said }
}

describe('a probe', () => {
  test('asks one endpoint for the URL by its own name', async () => {
    const asked: unknown[] = []
    const result = await probing((request, response) => {
      const { servername } = request.socket as { servername?: string }
      asked.push([servername, request.headers.host, request.method, request.url])
      response.setHeader('content-type', 'image/png').end(Buffer.alloc(4100))
    })
    expect(result).toEqual({ ok: true, said: '200 image/png, 4.1 kB' })
    expect(asked).toEqual([['media.example.org', 'media.example.org', 'GET', '/health.png?size=1']])
  })

  test.each<[string, RequestListener, string]>([
    [
      'another status',
      (_, response) => response.writeHead(404, { 'content-type': 'text/html' }).end('gone'),
      '404 text/html, 4 B: status 200 is wanted',
    ],
    [
      'another content type',
      (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('sorry'),
      '200 text/html, 5 B: content type image/ is wanted',
    ],
    [
      'a redirect, which it does not follow',
      (_, response) => response.writeHead(302, { location: 'https://elsewhere.example/' }).end(),
      '302 to https://elsewhere.example/ no content type, 0 B: status 200 is wanted',
    ],
    ['an answer that breaks off', (_, response) => breakOff(response), 'connection reset'],
  ])('fails by %s', async (_, answer, said) => {
    expect(await probing(answer)).toEqual({ ok: false, said })
  })

  test('gives up an answer that never ends', async () => {
    const result = await probing((_, response) => void response.write('never'), { timeoutMs: 300 })
    expect(result).toEqual({ ok: false, said: 'no complete answer in time' })
  })

  test('reads no more than a megabyte', async () => {
    const result = await probing((_, response) => {
      response.writeHead(200, { 'content-type': 'image/png' })
      const flood = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65536)));
      }
      response.on('drain', flood)
      flood()
    })
    expect(result).toEqual({ ok: true, said: '200 image/png, over 1 MB' })
  })

  test('tells that the certificate is not trusted here, and goes on', async () => {
    const result = await probing(
      (_, response) => response.writeHead(200, { 'content-type': 'image/png' }).end(),
      {
        roots: 'system',
      },
    )
    expect(result.ok).toBe(true)
    expect(result.said).toMatch(/^200 image\/png, 0 B, certificate not trusted here \(.+\)$/)
  })

  test('says that nobody answers', async () => {
    const endpoint = { address: '127.0.0.1', port: await freePort('127.0.0.1'), via: 'direct' as const }
    expect(await probe(wanted, endpoint)).toEqual({ url, endpoint, ok: false, said: 'connection refused' })
  })

  test('strips what would command a terminal', async () => {
    const result = await probing((_, response) =>
      response.writeHead(200, { 'content-type': 'x\u0080y' }).end(),
    )
    expect(result.said).toBe('200 xy, 0 B: content type image/ is wanted')
  })
})

function breakOff(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'image/png', 'content-length': '100' })
  response.write('short', () => response.destroy())
}
