import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Config } from '../../src/index.ts'
import type { CertificateResult, RunResult } from '../../src/core/result.ts'
import type { Host } from './hosts.ts'
import { cli, cdnNames, site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'
import { snapshotOf } from './snapshot.ts'

const [frankfurt, fremont, sally, esme] = cdnNames as [string, string, string, string]

// One day told in order: each test goes on where the one before ended.
describe.skipIf(await skipUnless('hosts'))('a rollout that halts', () => {
  let incident: Incident
  beforeAll(async () => {
    incident = await startIncident()
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  /** Sally says that she reloads and does not; the others are changed two by two, the nodes of a wave in turn. */
  async function configure(rollout: object, reload = ['true']): Promise<void> {
    const config = structuredClone(incident.config) as Mutable
    config.rollout = { canary: 2, waves: ['100%'], concurrency: 1, deadline: '2s', ...rollout }
    config.nodes[sally]!.nginx = { reload }
    await incident.writeConfig('certs.config.ts', config)
  }

  async function rollOut(line = `rollout ${site} --force-renew`) {
    const ran = await incident.certs(`${line} --json`)
    const [result] = (JSON.parse(ran.stdout) as RunResult).certificates
    return { ...ran, ...result!, nodes: statuses(result!) }
  }

  /** Nothing but the node's former version is left in effect: what live leads to is served. */
  async function numbersLive(): Promise<string[]> {
    return Promise.all(incident.cdn.map(liveAndServed))
  }

  test('keeps the new version where what was served before has expired, whatever onHalt says', async () => {
    await configure({ onHalt: 'rollback' })
    const { exitCode, nodes, halted, stderr } = await rollOut(`rollout ${site}`)
    expect(exitCode).toBe(1)
    expect(nodes).toEqual(['done 2 → 3', 'done 2 → 3', 'failed 2 → 3', 'not-run 2 → 3'])
    expect(halted).toBe('sally failed, and haltAfter is 1')
    expect(stderr).not.toContain('rolling back,')
    expect(await numbersLive()).toEqual(['3 served', '3 served', '2 served', '2 served'])
    await configure({}, ['systemctl', 'reload', 'nginx'])
    expect(await incident.certs(`rollout ${site}`)).toMatchObject({ exitCode: 0 })
  })

  test('by default leaves the changed nodes on the new version, and the others byte by byte as they were', async () => {
    await configure({})
    const before = await snapshotOf(incident.lab.host(esme))
    const { exitCode, nodes } = await rollOut()
    expect(exitCode).toBe(1)
    expect(nodes).toEqual(['done 3 → 4', 'done 3 → 4', 'failed 3 → 4', 'not-run 3 → 4'])
    expect(await numbersLive()).toEqual(['4 served', '4 served', '3 served', '3 served'])
    expect(await snapshotOf(incident.lab.host(esme))).toBe(before)
    await configure({}, ['systemctl', 'reload', 'nginx'])
    expect(await incident.certs(`rollout ${site}`)).toMatchObject({ exitCode: 0 })
  })

  test('with onHalt: rollback brings the changed nodes back, the last wave first, and each is verified', async () => {
    await configure({ onHalt: 'rollback' })
    const before = await snapshotOf(incident.lab.host(esme))
    const { exitCode, nodes, stderr } = await rollOut()
    expect(exitCode).toBe(1)
    expect(nodes).toEqual(['rolled-back 5 → 4', 'rolled-back 5 → 4', 'failed 4 → 5', 'not-run 4 → 5'])
    expect(await numbersLive()).toEqual(['4 served', '4 served', '4 served', '4 served'])
    expect(await snapshotOf(incident.lab.host(esme))).toBe(before)
    expect(stderr).toContain(
      `${site}: rolling back, because sally failed, and haltAfter is 1: ${frankfurt}, ${fremont}\n`,
    )
    const history = await incident.certs(`history ${site}`)
    expect(history.stdout).toContain(
      `rolled back live/${site} on ${fremont} from version 5 to 4, because the rollout halted: sally failed`,
    )
  })

  test('goes back also when the last node of all is the one that failed', async () => {
    await configure({ onHalt: 'rollback', canary: 1, concurrency: 3 })
    const nodes = { [sally]: {}, [esme]: {} }
    const {
      exitCode,
      nodes: told,
      halted,
    } = await rollOut(
      `rollout ${site} --force-renew ${Object.keys(nodes)
        .toReversed()
        .map((name) => `--node ${name}`)
        .join(' ')} --node ${frankfurt}`,
    )
    expect(exitCode).toBe(1)
    expect(told).toEqual(['rolled-back 6 → 4', 'failed 4 → 6', 'rolled-back 6 → 4'])
    expect(halted).toBe('sally failed, and haltAfter is 1')
    expect(await numbersLive()).toEqual(['4 served', '4 served', '4 served', '4 served'])
  })

  /** Starts a rollout, and sends a signal when the first node has begun, and as often again after so many milliseconds. */
  async function interrupt(said: string, againAfterMs: readonly number[] = []) {
    const running = spawn(process.execPath, [cli, 'rollout', site], {
      cwd: incident.lab.folder,
      env: { PATH: process.env['PATH'], HOME: incident.lab.folder, CERTS_CONFIG: incident.configFile },
    })
    const [stdout, stderr] = [collect(running.stdout), collect(running.stderr)]
    let asked = false
    running.stderr.on('data', () => {
      if (asked || !stderr().includes(said)) return
      asked = true
      for (const ms of [0, ...againAfterMs]) setTimeout(() => running.kill('SIGTERM'), ms)
    })
    const [exitCode] = (await once(running, 'close')) as [number]
    return { exitCode, stdout: stdout(), stderr: stderr() }
  }

  test('SIGTERM: the node in hand is finished, no other is started, nothing goes back, and all of it is said', async () => {
    await configure({ onHalt: 'rollback' })
    const { exitCode, stdout, stderr } = await interrupt(`${frankfurt}: locked`, [50])
    expect(exitCode, stderr).toBe(143)
    expect(stderr).toContain('certs: SIGTERM: finishing what is in hand, starting nothing new\n')
    expect(stderr).not.toContain('again')
    expect(stdout.replaceAll(/valid until .*?\./g, 'valid until ….')).toMatchInlineSnapshot(`
      "media.hachyderm.io
        NODE             RESULT   VERSION
        cdn-frankfurt-1  done     4 → 6    verified at 2 endpoints, probes answered
        cdn-fremont-1    not run  4        the run was interrupted
        sally            not run  4        the run was interrupted
        esme             not run  4        the run was interrupted

      media.hachyderm.io: version 6 is on 1 of 4 nodes, valid until …. The rollout halted: the run was interrupted.
      "
    `)
    expect(await numbersLive()).toEqual(['6 served', '4 served', '4 served', '4 served'])
  })

  test('SIGTERM once more: the node in hand is not waited for, and ends complete by itself', async () => {
    await configure({ concurrency: 1, canary: 1 }, ['sh', '-c', 'sleep 8; systemctl reload nginx'])
    const { exitCode, stdout, stderr } = await interrupt(`${sally}: nginx tested`, [1_200])
    expect(exitCode, stderr).toBe(143)
    expect((await numbersLive())[2]).toBe('6 not served')
    expect(stdout).toMatch(/sally +failed +4 /)
    expect(stderr).toContain('certs: SIGTERM again: not waiting for nodes in hand, which end by themselves\n')
    expect(stderr).toMatch(/certs: error: sally: the shell on \S+ gave no result: interrupted\n/)
    expect(stderr).toContain('certs: hint: run the same command again: it looks at the node first')
    await vi.waitUntil(async () => (await numbersLive())[2] === '6 served', 30_000)
  })

  test('afterwards an ordinary rollout converges', async () => {
    await incident.writeConfig('certs.config.ts', incident.config)
    expect(await incident.certs(`rollout ${site}`)).toMatchObject({ exitCode: 0 })
    expect(await numbersLive()).toEqual(['6 served', '6 served', '6 served', '6 served'])
  })

  test('a node that does not come back ends the way back: it keeps the new version, and says why', async () => {
    const config = structuredClone(incident.config) as Mutable
    config.rollout = { canary: 1, waves: ['50%', '100%'], concurrency: 1, deadline: '2s', onHalt: 'rollback' }
    config.nodes[esme]!.nginx = { reload: ['true'] }
    const picky = `case $(readlink /etc/letsencrypt/live/${site}/cert.pem) in *cert6.pem) exit 1 ;; esac`
    config.nodes[sally]!.nginx = { reload: ['sh', '-c', `${picky}; systemctl reload nginx`] }
    await incident.writeConfig('certs.config.ts', config)
    const { exitCode, nodes, stderr } = await rollOut()
    expect(exitCode).toBe(1)
    expect(nodes).toEqual(['done 6 → 7', 'rolled-back 7 → 6', 'failed 7 → 6', 'failed 6 → 7'])
    expect(stderr).toContain(
      `${site}: halted, because sally failed, and haltAfter is 1; not started: ${frankfurt}\n`,
    )
    expect(await numbersLive()).toEqual(['7 served', '6 served', '7 served', '6 served'])
  })
})

type Mutable = { nodes: Record<string, { nginx?: { reload: string[] } }> } & Config

function statuses({ nodes }: CertificateResult): string[] {
  return nodes.map(({ status, from, to }) => `${status} ${from} → ${to}`)
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = ''
  stream.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  return () => text
}

/** `3 served`: the number that live points to, and whether that is what nginx serves. */
async function liveAndServed(host: Host): Promise<string> {
  const client = `openssl s_client -connect 127.0.0.1:443 -servername ${site} </dev/null 2>/dev/null`
  const print = 'openssl x509 -noout -fingerprint -sha256'
  const said = await host.exec(`
    cd /etc/letsencrypt/live/${site}; readlink cert.pem | tr -dc 0-9
    [ "$(${client} | ${print})" = "$(${print} -in cert.pem)" ] && echo ' served' || echo ' not served'`)
  return said.trim()
}
