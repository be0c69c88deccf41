import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { inspect } from '../../../deploy/inspect.ts'
import { install, rollback } from '../../../deploy/install.ts'
import { readLeaf, type Version } from '../../../src/core/certificate.ts'
import { fakeNode } from '../../support/fake-node.ts'
import { certificate, one, order, three, two } from '../../support/installing.ts'
import { localShell } from '../../support/local-shell.ts'
import { nodeFailure } from '../../support/node-failure.ts'
import { nginxAlone } from '../../support/nginx-alone.ts'

vi.setConfig({ testTimeout: 60_000 })

const missing = spawnSync('/usr/sbin/nginx', ['-v']).status === 0 ? undefined : 'nginx is missing'
if (missing) console.log(`skipped: ${missing}`)

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

/** A real nginx on a port of its own, which serves version 1. */
async function realNode() {
  const port = await freePort()
  const fake = fakeNode()
  fake.lay(one)
  const conf = join(fake.folder, 'conf')
  const file = join(conf, 'nginx.conf')
  const reload = ['/usr/sbin/nginx', '-s', 'reload', '-c', file]
  const services = nginxAlone({ test: ['nginx', '-t', '-c', file], reload })
  mkdirSync(join(conf, 'logs'), { recursive: true })
  const live = fake.path('live', certificate)
  const configure = (more = '') =>
    writeFileSync(
      file,
      `daemon off; pid ${conf}/pid; error_log stderr; events {}
       http {
         access_log off;
         ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${conf}/${name};`).join(' ')}
         server { listen 127.0.0.1:${port} ssl; server_name ${certificate} cdn.example;
           ssl_certificate ${live}/fullchain.pem; ssl_certificate_key ${live}/privkey.pem; ${more}
           location / { return 204; } } }`,
    )
  configure()
  const child: ChildProcess = spawn('setpriv', ['--pdeathsig', 'KILL', '/usr/sbin/nginx', '-c', file], {
    stdio: 'ignore',
  })
  stops.push(async () => {
    child.kill('SIGTERM')
    if (child.exitCode === null) await once(child, 'close')
    fake[Symbol.dispose]()
  })
  const serves = async (version: Version) => {
    const deadline = performance.now() + 5000
    const wanted = readLeaf(version.leaf).fingerprint
    for (;;) {
      const served = await servedBy(port).catch(() => undefined)
      if (served === wanted || performance.now() > deadline) return served === wanted
      await sleep(20)
    }
  }
  expect(await serves(one)).toBe(true)
  return { fake, node: { ...fake.node, services }, serves, configure, live }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

async function servedBy(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', servername: certificate, rejectUnauthorized: false })
  try {
    await once(socket, 'secureConnect')
    const raw = socket.getPeerCertificate(true).raw
    return readLeaf(raw).fingerprint
  } finally {
    socket.destroy()
  }
}

describe.skipIf(missing)('with a real nginx', () => {
  const shell = () => localShell(['/bin/sh', '-s'])

  test('a version is installed, served, and rolled back', async () => {
    const { node, serves, live } = await realNode()
    const seen = await inspect(shell(), node, [certificate])
    expect(seen.services['nginx']).toMatchObject({ installed: true, running: true, test: { ok: true } })
    const serverNames = [certificate, 'cdn.example']
    expect(seen.reads).toEqual([{ file: `${live}/fullchain.pem`, key: `${live}/privkey.pem`, serverNames }])
    expect(await install(shell(), node, order)).toMatchObject({ outcome: 'installed', former: 1 })
    expect(await serves(two)).toBe(true)
    expect(await rollback(shell(), node, { certificate, number: 1 })).toMatchObject({
      outcome: 'installed',
      former: 2,
    })
    expect(await serves(one)).toBe(true)
  })

  test('a key that does not fit is refused by nginx, and the former version goes on being served', async () => {
    const { node, serves } = await realNode()
    const mixed = { ...two, key: three.key }
    const error = await nodeFailure(install(shell(), node, { ...order, version: mixed }))
    expect(error).toMatchObject({ step: 'test', left: 'restored', exitCode: 1 })
    expect(error.detail).toMatch(/key values mismatch/)
    expect(await serves(one)).toBe(true)
    expect((await inspect(shell(), node, [certificate])).services['nginx']?.test.ok).toBe(true)
    expect(await install(shell(), node, order)).toMatchObject({ outcome: 'installed', former: 1 })
    expect(await serves(two)).toBe(true)
  })

  test('a mixed pair that a killed run left is repaired, though nginx -t fails by it', async () => {
    const { fake, node, serves, live } = await realNode()
    fake.lay(three)
    fake.lay(one)
    unlinkSync(`${live}/privkey.pem`)
    symlinkSync(`../../archive/${certificate}/privkey3.pem`, `${live}/privkey.pem`)
    const seen = await inspect(shell(), node, [certificate])
    expect(seen.services['nginx']?.test.ok).toBe(false)
    expect(seen.lineages[certificate]?.pair).toBe('differs')
    expect(await install(shell(), node, order)).toMatchObject({ outcome: 'installed', former: undefined })
    expect(await serves(two)).toBe(true)
  })

  test('a configuration that was broken before is left alone, with nginx own words', async () => {
    const { node, serves, configure } = await realNode()
    configure('sl on;')
    const error = await nodeFailure(install(shell(), node, order))
    expect(error).toMatchObject({ step: 'baseline', left: 'unchanged' })
    expect(error.detail).toMatch(/unknown directive "sl"/)
    expect(await serves(one)).toBe(true)
  })
})
