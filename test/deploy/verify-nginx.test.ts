import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { handshake, verify } from '../../deploy/verify.ts'
import { type Chain, makeChain } from '../support/chain.ts'
import { type DependentProcess, freePort, startDependent } from '../support/dependent-process.ts'
import { makeNode } from '../support/sshd.ts'

const nginx = '/usr/sbin/nginx'
const name = 'media.example.org'

describe.skipIf(!existsSync(nginx) && 'nginx is not installed')('after a reload of a real nginx', () => {
  let folder: string
  let daemon: DependentProcess
  let endpoint: { address: string; port: number; via: 'direct' }
  let chains: [Chain, Chain]
  const deploy = async (chain: Chain) => {
    await writeFile(join(folder, 'key.pem'), chain.key)
    await writeFile(join(folder, 'fullchain.pem'), chain.leaf + chain.intermediate)
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'certs-nginx-'))
    chains = await Promise.all([makeChain({ names: [name] }), makeChain({ names: [name] })])
    await deploy(chains[0])
    endpoint = { address: '127.0.0.1', port: await freePort('127.0.0.1'), via: 'direct' }
    await writeFile(join(folder, 'nginx.conf'), configuration(folder, endpoint.port))
    daemon = startDependent([nginx, '-p', folder, '-c', 'nginx.conf', '-e', 'stderr'], {})
    const up = await daemon.until(async () => (await handshake(endpoint, name)).leaf !== undefined)
    if (!up) throw new Error(`nginx did not start: ${daemon.said()}`)
  })
  afterAll(async () => {
    // SIGTERM, so that the master takes its workers along.
    process.kill(daemon.pid, 'SIGTERM')
    await daemon.until(async () => false)
    await rm(folder, { recursive: true, force: true })
  })

  test('verification succeeds, and from then on nobody is served the old certificate', async () => {
    const node = makeNode({
      ssh: { address: '127.0.0.1', port: 22, user: 'root', identity: 'agent', knownHosts: '/k' },
    })
    for (const chain of [chains[1], chains[0], chains[1]]) {
      await deploy(chain)
      process.kill(daemon.pid, 'SIGHUP')
      const verdict = await verify(node, { names: [name], ...chain.wanted }, { endpoints: [endpoint] })
      expect(verdict.ok).toBe(true)
      const later = await Promise.all(Array.from({ length: 20 }, () => handshake(endpoint, name)))
      expect(new Set(later.map(({ leaf }) => leaf?.fingerprint))).toEqual(
        new Set([chain.wanted.leafFingerprint]),
      )
    }
  })
})

function configuration(folder: string, port: number): string {
  return `
    daemon off; pid ${folder}/nginx.pid; worker_processes 4; error_log stderr;
    events { worker_connections 64; }
    http {
      access_log off;
      client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
      server {
        listen 127.0.0.1:${port} ssl; server_name ${name};
        ssl_certificate fullchain.pem; ssl_certificate_key key.pem;
        return 204;
      }
    }`
}
