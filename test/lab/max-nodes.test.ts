import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'
import { ordersAt, snapshotOf } from './snapshot.ts'

describe.skipIf(await skipUnless('hosts'))('more nodes than rollout.maxNodes', () => {
  let incident: Incident
  beforeAll(async () => {
    incident = await startIncident({ cdn: ['cdn-frankfurt-1', 'sally'] })
    const rollout = { ...incident.config.rollout, maxNodes: 1 }
    await incident.writeConfig('certs.config.ts', { ...incident.config, rollout })
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  test.each(['plan', 'apply --yes', `rollout ${site}`, 'renew --now', 'check'])(
    'certs %s says the numbers, exits with 1, and nothing is ordered or changed',
    async (line) => {
      const before = await Promise.all(incident.cdn.map(snapshotOf))
      const { exitCode, stderr } = await incident.certs(line)
      expect(exitCode).toBe(1)
      expect(stderr).toContain(
        line === 'check'
          ? `${site} is on 2 nodes, and rollout.maxNodes is 1`
          : '2 nodes would be changed by one run, and rollout.maxNodes is 1',
      )
      expect(stderr).toMatch(/certs: hint: .*--force\n/)
      expect(await Promise.all(incident.cdn.map(snapshotOf))).toEqual(before)
      expect(ordersAt(incident.pebble)).toBe(0)
    },
  )

  test('a person may: --force, or node by node', async () => {
    expect(await incident.certs(`rollout ${site} --node sally`)).toMatchObject({ exitCode: 0 })
    expect(await incident.certs(`rollout ${site}`)).toMatchObject({ exitCode: 0 })
    expect(await incident.certs(`rollout ${site} --force-renew`)).toMatchObject({ exitCode: 1 })
    expect(await incident.certs(`rollout ${site} --force-renew --force`)).toMatchObject({ exitCode: 0 })
    expect(ordersAt(incident.pebble)).toBe(2)
  })
})
