import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CertificateResult, RunResult } from '../../src/core/result.ts'
import type { Config } from '../../src/index.ts'
import { issueVersion } from '../support/issue-version.ts'
import { type ScriptedNode, startScriptedNode } from '../support/scripted-node.ts'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'
import { snapshotOf } from './snapshot.ts'

const scripted = Array.from({ length: 48 }, (_, index) => `node-${index + 2}`)
const names = ['cdn-frankfurt-1', ...scripted, 'sally']
const third = 'node-3'

// One day told in order: each test goes on where the one before ended.
describe.skipIf(await skipUnless('hosts'))('fifty nodes, the first and the last of them real hosts', () => {
  let incident: Incident
  let nodes: Record<string, ScriptedNode>
  const stack = new AsyncDisposableStack()
  beforeAll(async () => {
    incident = stack.use(await startIncident({ cdn: ['cdn-frankfurt-1', 'sally'] }))
    const old = await issueVersion(site, 2)
    const started = scripted.map(
      async (name) => [name, stack.use(await startScriptedNode(site, old))] as const,
    )
    nodes = Object.fromEntries(await Promise.all(started))
    // Version 3 is served by the real hosts, so that there is something good to go back to, as the others have.
    const real = await incident.certs(`rollout ${site}`)
    expect(real, real.stderr).toMatchObject({ exitCode: 0 })
  }, 120_000)
  afterAll(() => stack.disposeAsync())

  async function rollOut(line: string, rollout: Config['rollout'] = {}) {
    const { nodes: real, certificates, ...rest } = incident.config
    const config = {
      ...rest,
      nodes: { ...real, ...Object.fromEntries(scripted.map((name) => [name, nodes[name]!.config])) },
      certificates: { [site]: { ...certificates[site], nodes: names } },
      rollout: { deadline: '2s', ...rollout },
    }
    await incident.writeConfig('certs.config.ts', config)
    const { stdout, stderr, exitCode } = await incident.certs(`${line} --json`)
    const [result] = (JSON.parse(stdout) as RunResult).certificates
    expect(result?.nodes.map(({ node }) => node)).toEqual(names)
    return { stderr, exitCode, ...result!, told: tell(result!) }
  }

  async function snapshots(): Promise<Map<string, string>> {
    const real = incident.cdn.map(async (host) => [host.name, await snapshotOf(host)] as const)
    return new Map([
      ...(await Promise.all(real)),
      ...scripted.map((name) => [name, nodes[name]!.snapshot()] as const),
    ])
  }

  /** Names of the nodes that are not byte by byte what they were. */
  async function changedSince(before: ReadonlyMap<string, string>): Promise<string[]> {
    const after = await snapshots()
    return names.filter((name) => after.get(name) !== before.get(name))
  }

  const served = () => new Set(scripted.map((name) => nodes[name]!.serves()))

  test('the third fails its verification: halted, the others byte by byte as they were, each of fifty told', async () => {
    nodes[third]!.reloads(false)
    const before = await snapshots()
    const { exitCode, told, halted, stderr } = await rollOut(`rollout ${site} --force-renew`, {
      canary: 3,
    })
    expect(exitCode).toBe(1)
    expect(told).toEqual({ done: names.slice(0, 2), failed: [third], 'not-run': names.slice(3) })
    expect(halted).toBe(`${third} failed, and haltAfter is 1`)
    expect(stderr).toContain(`certs: error: ${third}: verification failed: `)
    // The third one holds the archive of what it was rolled back from.
    expect(await changedSince(before)).toEqual(names.slice(0, 3))
    expect(nodes[third]!.serves()).toBe(2)
  }, 120_000)

  test('side by side, with onHalt: rollback: the wave of the failing node goes back, the next one is never touched', async () => {
    const before = await snapshots()
    const { exitCode, told } = await rollOut(`rollout ${site} --force-renew`, { onHalt: 'rollback' })
    expect(exitCode).toBe(1)
    expect(told).toEqual({
      'rolled-back': names.slice(0, 25).filter((name) => name !== third),
      failed: [third],
      'not-run': names.slice(25),
    })
    expect((await changedSince(before)).every((name) => names.indexOf(name) < 25)).toBe(true)
    // The second one has been at version 4 since the run before.
    expect([2, 3, 4].map((number) => nodes[`node-${number}`]!.serves())).toEqual([4, 2, 2])
    expect(served()).toEqual(new Set([2, 4]))
  }, 120_000)

  test('when the node is mended, one rollout brings all fifty to the newest version', async () => {
    nodes[third]!.reloads(true)
    const { exitCode, stderr } = await rollOut(`rollout ${site}`)
    expect(exitCode, stderr).toBe(0)
    expect(served()).toEqual(new Set([5]))
  }, 120_000)
})

function tell({ nodes }: CertificateResult): Record<string, string[]> {
  const told: Record<string, string[]> = {}
  for (const { node, status } of nodes) (told[status] ??= []).push(node)
  return told
}
