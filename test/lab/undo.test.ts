import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Config } from '../../src/index.ts'
import type { RunResult } from '../../src/core/result.ts'
import type { Host } from './hosts.ts'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'
import { snapshotOf } from './snapshot.ts'

const canary = 'cdn-frankfurt-1'

describe.skipIf(await skipUnless('hosts'))('a node on which a new version does not prove right', () => {
  let incident: Incident
  let first: Host
  let second: Host
  beforeAll(async () => {
    incident = await startIncident({ cdn: [canary, 'sally'] })
    ;[first, second] = incident.cdn as [Host, Host]
    // Version 3 is served everywhere, so that there is something good to go back to.
    expect(await incident.certs(`rollout ${site}`)).toMatchObject({ exitCode: 0 })
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  let before: string
  let version: string
  beforeEach(async () => {
    before = await snapshotOf(second)
    version = await liveOf(first)
  })

  /** Rolls out a new version with a changed configuration and returns what it said of the canary. */
  async function rollOut(change: (config: Mutable) => void) {
    const config = structuredClone(incident.config) as Mutable
    config.rollout = { ...config.rollout, deadline: '2s' }
    change(config)
    const file = await incident.writeConfig('undo.config.ts', config)
    const env = { CERTS_CONFIG: file }
    const ran = await incident.certs(`rollout ${site} --force-renew --json`, { env })
    const result = JSON.parse(ran.stdout) as RunResult
    return { ...ran, canary: result.certificates[0]!.nodes[0]!, halted: result.certificates[0]!.halted }
  }

  async function expectUndone(): Promise<void> {
    expect(await liveOf(first)).toBe(version)
    expect(await servedBy(first)).toBe(await leafOnDisk(first))
    expect(await snapshotOf(second)).toBe(before)
  }

  test('nginx -t fails with it: switched back, nginx is not reloaded, the words of nginx are shown, the rollout halts', async () => {
    // The test reads the node's own files and then refuses what was just switched to.
    const since = await pidOfMaster(first)
    const workers = await first.exec('pgrep -P "$(cat /run/nginx.pid)" | sort')
    const script = `#!/bin/sh\ncase $(readlink /etc/letsencrypt/live/${site}/cert.pem) in *${version}) exec nginx -t ;; esac\necho 'nginx: [emerg] no such luck' >&2\nexit 1\n`
    await first.writeFile('root/picky-test', script, 0o755)
    const {
      exitCode,
      canary: result,
      halted,
      stderr,
    } = await rollOut(({ nodes }) => {
      nodes[canary]!.nginx = { test: ['/root/picky-test'] }
    })
    expect(exitCode).toBe(1)
    expect(result).toMatchObject({
      status: 'failed',
      error: { detail: expect.stringContaining('no such luck') as string },
    })
    expect(stderr).toContain(`certs: error: ${canary}: /root/picky-test failed (exit 1)`)
    expect(halted).toContain(`${canary} failed`)
    expect(await pidOfMaster(first)).toBe(since)
    expect(await first.exec('pgrep -P "$(cat /run/nginx.pid)" | sort')).toBe(workers)
    await expectUndone()
  })

  test('the reload fails: switched back, and the former version is served', async () => {
    const {
      exitCode,
      canary: result,
      stderr,
    } = await rollOut(({ nodes }) => {
      nodes[canary]!.nginx = { reload: ['sh', '-c', 'echo reload refused >&2; exit 1'] }
    })
    expect(exitCode).toBe(1)
    expect(result.status).toBe('failed')
    expect(stderr).toContain('reload refused')
    expect(stderr).toContain('which nginx still serves')
    expect(stderr).not.toContain('could not be undone')
    await expectUndone()
  })

  test('a reload that says 0 and does nothing: the handshake tells, and live is switched back', async () => {
    const { exitCode, canary: result } = await rollOut(({ nodes }) => {
      nodes[canary]!.nginx = { reload: ['true'] }
    })
    expect(exitCode).toBe(1)
    expect(result.error?.message).toContain('verification failed')
    expect(result.error?.hints.join('\n')).toContain('live was switched back to version')
    await expectUndone()
  })

  test('nginx reads copied files elsewhere: the message names the file', async () => {
    const media = 'etc/nginx/sites-enabled/media'
    await first.exec(`cp -rL /etc/letsencrypt/live/${site} /etc/nginx/copied && cp /${media} /root/media`)
    // Over IPv6 alone: where nothing else is read for a name, the plan leaves its node out.
    await first.exec(
      `{ sed '/listen .::.:443/d' /root/media
        sed '/listen 443/d; s,/etc/letsencrypt/live/${site}/,/etc/nginx/copied/,' /root/media; } >/${media} && systemctl reload nginx`,
    )
    const { exitCode, canary: result } = await rollOut(() => {})
    await first.exec(`cp /root/media /${media} && rm -r /etc/nginx/copied && systemctl reload nginx`)
    expect(exitCode).toBe(1)
    expect(result.error?.hints.join('\n')).toContain(
      `nginx reads /etc/nginx/copied/fullchain.pem for ${site}, not`,
    )
    expect(await liveOf(first)).toBe(version)
    expect(await snapshotOf(second)).toBe(before)
  })

  test('a probe fails while what was served before is still good: rolled back', async () => {
    const { exitCode, canary: result } = await rollOut(({ certificates }) => {
      certificates[site]!.probes = [{ url: `https://${site}/no-such.png`, status: 200 }]
    })
    expect(exitCode).toBe(1)
    expect(result.error?.message).toContain('no-such.png failed: 404')
    await expectUndone()
  })

  test('afterwards an ordinary rollout converges', async () => {
    expect(await incident.certs(`rollout ${site}`)).toMatchObject({ exitCode: 0 })
    expect(await incident.certs(`verify ${site}`)).toMatchObject({ exitCode: 0 })
  })
})

describe.skipIf(await skipUnless('hosts'))(
  'a node on which only an expired version is behind the new one',
  () => {
    test('keeps the new one when a probe fails, and says so: an expired certificate would be worse', async () => {
      await using incident = await startIncident({ cdn: [canary] })
      const config = structuredClone(incident.config) as Mutable
      config.certificates[site]!.probes = [{ url: `https://${site}/no-such.png`, status: 200 }]
      const file = await incident.writeConfig('probe.config.ts', config)
      const ran = await incident.certs(`rollout ${site}`, { env: { CERTS_CONFIG: file } })
      expect(ran.exitCode).toBe(1)
      expect(ran.stderr).toContain(
        'version 3 was left in place: it is served, and what was served before has expired',
      )
      expect(await liveOf(incident.cdn[0]!)).toBe('3.pem')
    })
  },
)

type Mutable = {
  nodes: Record<string, { nginx?: { test?: string[]; reload?: string[] } }>
  certificates: Record<string, { probes?: { url: string; status: number }[] }>
} & Config

/** `3.pem`: the number that live points to. */
async function liveOf(host: Host): Promise<string> {
  const target = await host.exec(`readlink /etc/letsencrypt/live/${site}/cert.pem`)
  return /cert(\d+\.pem)/.exec(target)?.[1] ?? target
}

function pidOfMaster(host: Host): Promise<string> {
  return host.exec('cat /run/nginx.pid')
}

function leafOnDisk(host: Host): Promise<string> {
  return host.exec(`openssl x509 -noout -fingerprint -sha256 -in /etc/letsencrypt/live/${site}/cert.pem`)
}

function servedBy(host: Host): Promise<string> {
  const client = `openssl s_client -connect 127.0.0.1:443 -servername ${site} </dev/null 2>/dev/null`
  return host.exec(`${client} | openssl x509 -noout -fingerprint -sha256`)
}
