import { createSecureContext, setDefaultCACertificates } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import { handshake, verify } from '../../deploy/verify.ts'
import { sayInstant } from '../../src/core/duration.ts'
import { readLeaf } from '../../src/core/certificate.ts'
import { type Chain, makeChain } from '../support/chain.ts'
import { makeNode } from '../support/sshd.ts'
import { startSlowLink } from '../support/slow-link.ts'
import { startTlsServer } from '../support/tls-server.ts'
import { startPlain } from '../support/plain-server.ts'
import { freePort } from '../support/dependent-process.ts'

const name = 'media.example.org'
const node = makeNode({
  ssh: { address: '127.0.0.1', port: 22, user: 'root', identity: 'agent', knownHosts: '/nonexistent' },
})
let now: Chain
let old: Chain
beforeAll(async () => {
  ;[now, old] = await Promise.all([makeChain({ names: [name] }), makeChain({ names: [name], key: 'rsa' })])
  // A machine that has the CA in its store, and could complete what a node forgot to send.
  setDefaultCACertificates([now.root, now.intermediate])
})

const context = (chain: Chain, sent = chain.leaf + chain.intermediate) =>
  createSecureContext({ key: chain.key, cert: sent })
// With the store empty, or the server itself would complete the chain from it.
const withoutIntermediate = () => ({ key: now.key, cert: now.leaf, ca: [] })
const serving = (chain: Chain) => ({ key: chain.key, cert: chain.leaf + chain.intermediate })

describe('a handshake', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('shows leaf and chain over %s', async (version) => {
    await using server = await startTlsServer({ ...serving(now), minVersion: version, maxVersion: version })
    const served = await handshake(server.endpoint, name)
    expect(served).toEqual({
      endpoint: server.endpoint,
      name,
      leaf: readLeaf(now.leaf),
      chain: now.wanted.chainFingerprints,
    })
  })

  test('shows an expired certificate', async () => {
    const expired = await makeChain({ names: [name], expired: true })
    await using server = await startTlsServer(serving(expired))
    const { leaf } = await handshake(server.endpoint, name)
    expect(leaf?.fingerprint).toBe(expired.wanted.leafFingerprint)
    expect(new Date(leaf!.notAfter).getTime()).toBeLessThan(Date.now())
  })

  test('asks by SNI', async () => {
    const asked: string[] = []
    await using server = await startTlsServer({
      SNICallback: (sni, done) => {
        asked.push(sni)
        done(null, context(now))
      },
    })
    await handshake(server.endpoint, name)
    expect(asked).toEqual([name])
  })

  test('speaks with IPv6 addresses and names', async () => {
    await using six = await startTlsServer({ ...serving(now), address: '::1' })
    expect((await handshake(six.endpoint, name)).leaf?.fingerprint).toBe(now.wanted.leafFingerprint)
    await using four = await startTlsServer(serving(now))
    const byName = { ...four.endpoint, address: 'localhost' }
    expect((await handshake(byName, name)).leaf?.fingerprint).toBe(now.wanted.leafFingerprint)
  })

  test('does not complete a chain that was not sent', async () => {
    await using server = await startTlsServer(withoutIntermediate())
    expect((await handshake(server.endpoint, name)).chain).toEqual([])
  })

  test('shows a root that was sent', async () => {
    await using server = await startTlsServer({ key: now.key, cert: now.leaf + now.intermediate + now.root })
    const { chain } = await handshake(server.endpoint, name)
    expect(chain).toEqual([...now.wanted.chainFingerprints, readLeaf(now.root).fingerprint])
  })

  test.each([
    ['connection refused', async () => ({ port: await freePort('127.0.0.1') })],
    ['no TLS is spoken there', () => startPlain((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))],
    ['connection reset', () => startPlain((socket) => socket.destroy())],
    ['no answer to the TLS handshake', () => startPlain(() => undefined)],
  ])('says %s', async (error, start) => {
    const server = await start()
    const endpoint = { address: '127.0.0.1', port: server.port, via: 'direct' as const }
    expect(await handshake(endpoint, name, { timeoutMs: 300 })).toEqual({ endpoint, name, error })
    if (Symbol.asyncDispose in server) await server[Symbol.asyncDispose]()
  })

  test('says that nothing is served by a name', async () => {
    await using server = await startTlsServer({ SNICallback: (_sni, done) => done(new Error('no')) })
    expect((await handshake(server.endpoint, name)).error).toBeTypeOf('string')
  })
})

/** What nginx does after a reload: the old certificate, then a mixture of both, then the new one alone. */
function reloading(serves: (connection: number) => Chain) {
  let connection = 0
  return startTlsServer({ SNICallback: (_sni, done) => done(null, context(serves(connection++))) })
}

describe('verification', () => {
  const ask = (server: { endpoint: Parameters<typeof handshake>[0] }, deadlineMs = 5_000) =>
    verify(node, { names: [name], ...now.wanted }, { endpoints: [server.endpoint], deadlineMs })

  test('looks a second time when the first answer came too soon after the reload', async () => {
    await using server = await startTlsServer(serving(now))
    const started = performance.now()
    const verdict = await ask(server)
    expect([verdict.ok, verdict.served.length, server.connections()]).toEqual([true, 3, 6])
    expect(performance.now() - started).toBeLessThan(1_000)
  })

  test('is done after one round when the node is far away', async () => {
    await using server = await startTlsServer(serving(now))
    await using link = await startSlowLink(server.endpoint.port, { rttMs: 200 })
    const verdict = await ask({ endpoint: { ...server.endpoint, port: link.port } })
    expect([verdict.ok, server.connections()]).toEqual([true, 3])
  })

  test('does not believe a lucky round', async () => {
    await using server = await reloading((connection) => (connection < 3 ? now : old))
    expect(await ask(server, 400)).toMatchObject({ ok: false })
  })

  test('waits while the old certificate is still served after a reload', async () => {
    await using server = await reloading((connection) => (connection < 7 ? old : now))
    const verdict = await ask(server)
    expect([verdict.ok, server.connections()]).toEqual([true, 15])
  })

  test('does not take a lucky first success for the proof of all workers', async () => {
    await using server = await reloading((connection) => (connection % 3 === 0 ? now : old))
    const verdict = await ask(server, 300)
    expect(verdict).toMatchObject({ ok: false, because: expect.stringContaining('serial') })
  })

  test('does not take one handshake of many for a success', async () => {
    await using server = await reloading((connection) => (connection % 3 === 2 ? old : now))
    expect(await ask(server, 300)).toMatchObject({ ok: false })
  })

  test('says what is served instead, and until when it is valid', async () => {
    await using server = await startTlsServer(serving(old))
    const { serial, notAfter } = readLeaf(old.leaf)
    const { port } = server.endpoint
    expect(await ask(server, 100)).toMatchObject({
      ok: false,
      because: `127.0.0.1:${port} for ${name} serves the certificate with serial ${serial}, valid until ${sayInstant(notAfter)}, not the wanted one`,
    })
  })

  test('says that the intermediate is lacking', async () => {
    await using server = await startTlsServer(withoutIntermediate())
    expect(await ask(server, 100)).toMatchObject({
      ok: false,
      because: expect.stringMatching(/the chain lacks the intermediate$/),
    })
  })

  test('says that nobody answers, within the deadline', async () => {
    const port = await freePort('127.0.0.1')
    const started = performance.now()
    const verdict = await ask({ endpoint: { address: '127.0.0.1', port, via: 'direct' } }, 400)
    expect(verdict).toMatchObject({
      ok: false,
      because: `no certificate from 127.0.0.1:${port} for ${name}: connection refused`,
    })
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  test('looks at every endpoint and every name', async () => {
    await using good = await startTlsServer(serving(now))
    await using bad = await startTlsServer({
      SNICallback: (sni, done) => done(null, context(sni === name ? now : old)),
    })
    const wanted = { names: [name, 'other.example.org'], ...now.wanted }
    const verdict = await verify(node, wanted, { endpoints: [good.endpoint, bad.endpoint], deadlineMs: 100 })
    expect(verdict).toMatchObject({
      ok: false,
      because: expect.stringContaining(`127.0.0.1:${bad.endpoint.port} for other.example.org serves`),
    })
  })

  test('is no success when there is nothing to ask', async () => {
    expect(await verify(node, { names: [], ...now.wanted }, { endpoints: [] })).toMatchObject({ ok: false })
  })

  test('ends when it is interrupted', async () => {
    await using server = await startTlsServer(serving(old))
    const { endpoint } = server
    const signal = AbortSignal.timeout(100)
    const started = performance.now()
    await verify(node, { names: [name], ...now.wanted }, { endpoints: [endpoint], signal })
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})
