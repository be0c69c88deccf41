import { describe, expect, test } from 'vitest'
import { plainPaint } from '../../src/core/paint.ts'
import { makePlan } from '../../src/core/make-plan.ts'
import { hasChanges, hasProblems } from '../../src/core/plan.ts'
import type { PlanRequest } from '../../src/core/make-plan.ts'
import type { LiveEntry } from '../../src/core/node.ts'
import type { Observed } from '../../src/core/observed.ts'
import { renderPlan } from '../../src/core/render-plan.ts'
import { planRollBack } from '../../src/core/roll-back.ts'
import * as fleet from '../support/observed.ts'

const request: PlanRequest = { certificates: [fleet.certificate], rollout: fleet.rollout, forceRenew: false }
const challenge = {
  identifier: fleet.name,
  name: `_acme-challenge.${fleet.name}`,
  zone: 'hachyderm.io',
  provider: 'home',
}

function plan(observed: Observed, change: Partial<PlanRequest> = {}) {
  return makePlan({ ...request, ...change }, observed)
}

function print(observed: Observed, change: Partial<PlanRequest> = {}): string {
  return renderPlan(plan(observed, change), plainPaint)
}

test('the night of the incident: issue, then canary and waves, with the reason on every line', () => {
  expect(print(fleet.observe(fleet.fleetAt(2), [], { challenges: [challenge] }))).toMatchInlineSnapshot(`
    "media.hachyderm.io
      + issue version 3, because no version is stored here
          media.hachyderm.io: TXT _acme-challenge.media.hachyderm.io in zone hachyderm.io, by home
      ~ cdn-frankfurt-1  version 2 → 3  it serves a certificate by R10, expired 10 hours ago
      ~ cdn-fremont-1    version 2 → 3  it serves a certificate by R10, expired 10 hours ago
      ~ sally            version 2 → 3  it serves a certificate by R10, expired 10 hours ago
      ~ esme             version 2 → 3  it serves a certificate by R10, expired 10 hours ago

    Plan: 1 version to issue, 4 nodes to change: first cdn-frankfurt-1, then cdn-fremont-1, sally and esme."
  `)
})

test('all right: nothing to do is a sentence', () => {
  const observed = fleet.observe(fleet.fleetAt(3), [fleet.version(3)])
  expect(hasChanges(plan(observed))).toBe(false)
  expect(print(observed)).toBe(
    'No changes. media.hachyderm.io is version 3 on 4 nodes, valid until 2027-02-21 11:00 UTC.',
  )
})

test('files right, but nginx still serves the old one: only a reload', () => {
  const stale = { ...fleet.nodeAt(3), served: { [fleet.name]: [fleet.served(fleet.leafOf(2))] } }
  const made = plan(fleet.observe({ ...fleet.fleetAt(3), sally: stale }, [fleet.version(3)]))
  expect(made.certificates[0]!.nodes.map(({ node, action }) => `${node} ${action}`)).toEqual([
    'cdn-frankfurt-1 none',
    'cdn-fremont-1 none',
    'sally reload',
    'esme none',
  ])
})

test('a node that can not be reached comes last, fails the plan, and holds up no other', () => {
  const gone = {
    error: { message: 'cdn-frankfurt-1: connection refused', hints: ['is sshd running?'] },
    served: {},
  }
  const observed = fleet.observe({ ...fleet.fleetAt(2), 'cdn-frankfurt-1': gone }, [fleet.version(3)])
  expect(hasProblems(plan(observed))).toBe(true)
  expect(print(observed)).toMatchInlineSnapshot(`
    "media.hachyderm.io
      = keep version 3, valid for 89 days
      ~ cdn-fremont-1    version 2 → 3  it serves a certificate by R10, expired 10 hours ago
      ~ sally            version 2 → 3  it serves a certificate by R10, expired 10 hours ago
      ~ esme             version 2 → 3  it serves a certificate by R10, expired 10 hours ago
      ! cdn-frankfurt-1  not reached    connection refused
      hint: cdn-frankfurt-1: is sshd running?

    Plan: 3 nodes to change, 1 node left out: first cdn-fremont-1, then sally and esme."
  `)
})

test('nothing is issued when no node could take it', () => {
  const gone = (node: string) => ({
    error: { message: `${node}: connection refused`, hints: [] },
    served: {},
  })
  const nodes = Object.fromEntries(fleet.cdn.map((node) => [node, gone(node)]))
  const made = plan(fleet.observe(nodes, [], { challenges: [challenge] }))
  expect(made.certificates[0]).toMatchObject({ issuance: { kind: 'refuse' }, waves: [] })
  expect(hasChanges(made)).toBe(false)
})

test('nothing is issued when a name has no zone that we can write', () => {
  const error = { message: 'no provider holds hachyderm.io', hints: [] }
  const made = plan(fleet.observe(fleet.fleetAt(2), [], { challenges: [{ identifier: fleet.name, error }] }))
  expect(made.certificates[0]).toMatchObject({ issuance: { kind: 'refuse', errors: [error] }, waves: [] })
  expect(hasChanges(made)).toBe(false)
  expect(renderPlan(made, plainPaint)).not.toMatch(/reload|undefined/)
})

test('nodes that need a version which can not be had wait, and that is no change', () => {
  const error = { message: 'no provider holds hachyderm.io', hints: [] }
  const observed = fleet.observe(fleet.fleetAt(2), [], { challenges: [{ identifier: fleet.name, error }] })
  expect(hasChanges(plan(observed))).toBe(false)
  expect(print(observed)).toMatchInlineSnapshot(`
    "media.hachyderm.io
      ! no version can be issued: no version is stored here
          no provider holds hachyderm.io
      = cdn-frankfurt-1  waits  it serves a certificate by R10, expired 10 hours ago
      = cdn-fremont-1    waits  it serves a certificate by R10, expired 10 hours ago
      = sally            waits  it serves a certificate by R10, expired 10 hours ago
      = esme             waits  it serves a certificate by R10, expired 10 hours ago

    Nothing can be done: 1 certificate can not be issued."
  `)
})

test('nothing is issued against what was found out beforehand; a warning stands in the plan', () => {
  const fact = { message: 'CAA forbids media.hachyderm.io', hints: ['add a record'] }
  const refused = { challenges: [challenge], preflight: { refusals: [fact], warnings: [] } }
  const made = plan(fleet.observe(fleet.fleetAt(2), [], refused))
  expect(made.certificates[0]).toMatchObject({ issuance: { kind: 'refuse', errors: [fact] }, waves: [] })
  expect(hasProblems(made)).toBe(true)

  const warned = { challenges: [challenge], preflight: { refusals: [], warnings: [fact] } }
  expect(print(fleet.observe(fleet.fleetAt(2), [], warned))).toContain(
    '      note: CAA forbids media.hachyderm.io\n      hint: add a record\n',
  )
})

test('the new number is above every number on any node and in the store', () => {
  const nodes = { ...fleet.fleetAt(2), esme: fleet.nodeAt(7) }
  const issuance = (observed: Observed) => plan(observed).certificates[0]!.issuance
  expect(issuance(fleet.observe(nodes, [], {}))).toMatchObject({ kind: 'issue', number: 8 })
  expect(issuance(fleet.observe(nodes, [], { highest: 11 }))).toMatchObject({ kind: 'issue', number: 12 })
})

test('an order under way keeps the number that it was begun with, even when its version is half written', () => {
  const observed = fleet.observe(fleet.fleetAt(2), [], { highest: 3, underway: fleet.underway(3) })
  expect(plan(observed).certificates[0]!.issuance).toMatchObject({ kind: 'issue', number: 3, resumes: true })
})

test('a stored version whose number a node uses for other bytes goes out under a new number', () => {
  const other = fleet.nodeAt(3)
  const held = other.inspection!.lineages[fleet.name]!
  const archive = held.archive.map((file) => (file.number === 3 ? { ...file, sha256: 'other' } : file))
  const esme = { ...other, inspection: fleet.inspection({ ...held, archive }) }
  const made = plan(fleet.observe({ ...fleet.fleetAt(2), esme }, [fleet.version(3)]))
  expect(made.certificates[0]!.issuance).toMatchObject({ kind: 'keep', from: 3, number: 4 })
  expect(made.certificates[0]!.nodes.every(({ action, to }) => action === 'install' && to === 4)).toBe(true)
})

const failing = (output: string) => ({ command: 'nginx -t', ok: false, output })

test.each([
  [
    'nginx -t fails before we came',
    { services: { nginx: fleet.serviceState({ test: failing('nginx: [emerg] x') }) } },
    'nginx -t already fails, before any change of ours',
  ],
  [
    'nginx is stopped',
    { services: { nginx: fleet.serviceState({ running: false }) } },
    'nginx is not running',
  ],
  [
    'the disk is read-only',
    { disk: { freeBytes: 1e9, freeInodes: 9, writable: false } },
    'its certificate folder is not writable',
  ],
  ['the disk is full', { disk: { freeBytes: 0, freeInodes: 9, writable: true } }, 'its disk is full'],
])('a node is blocked when %s', (_what, change, because) => {
  const sally = { ...fleet.nodeAt(2), inspection: fleet.inspection(fleet.lineage(2), change) }
  const made = plan(fleet.observe({ ...fleet.fleetAt(2), sally }, [fleet.version(3)]))
  expect(made.certificates[0]!.nodes.at(-1)).toMatchObject({ node: 'sally', action: 'blocked', because })
  expect(made.certificates[0]!.waves.flat()).not.toContain('sally')
})

describe('nginx -t that fails by files of this certificate', () => {
  const output = `nginx: [emerg] cannot load certificate "/etc/letsencrypt/live/${fleet.name}/fullchain.pem"`
  const planned = (live: object, running: boolean) => {
    const services = { nginx: fleet.serviceState({ running, test: failing(output) }) }
    const held = fleet.lineage(3)
    const inspection = fleet.inspection({ ...held, live: { ...held.live, ...live } }, { services })
    const sally = { ...fleet.nodeAt(3), inspection }
    const made = plan(fleet.observe({ ...fleet.fleetAt(3), sally }, [fleet.version(3)]))
    return made.certificates[0]!.nodes.find(({ node }) => node === 'sally')
  }
  const missing = { fullchain: { is: 'missing' as const } }

  test('that are missing is mended by bringing them', () => {
    expect(planned(missing, true)).toMatchObject({ action: 'install' })
  })
  test('is not, while nginx is stopped: certs never starts it', () => {
    const because = 'nginx is not running, for want of these files'
    expect(planned(missing, false)).toMatchObject({ action: 'blocked', because })
  })
  test('that are right is not: something else is wrong', () => {
    const drift = [{ kind: 'blocked', because: 'nginx -t already fails, before any change of ours' }]
    expect(planned({}, true)).toMatchObject({ action: 'none', drift })
  })
})

test('a live file that is no link blocks its node and names the file', () => {
  const held = fleet.lineage(2)
  const copied = { ...held, live: { ...held.live, privkey: { is: 'file' as const, sha256: 'x' } } }
  const esme = { ...fleet.nodeAt(2), inspection: fleet.inspection(copied) }
  const made = plan(fleet.observe({ ...fleet.fleetAt(2), esme }, [fleet.version(3)]))
  expect(made.certificates[0]!.nodes.at(-1)).toMatchObject({
    action: 'blocked',
    because: 'live/media.hachyderm.io/privkey.pem is a real file, not a link',
    drift: expect.arrayContaining([
      expect.objectContaining({ kind: 'blocked', hint: 'certs rollout media.hachyderm.io --adopt' }),
    ]) as unknown,
  })
})

test('an active certbot is a notice, never a refusal', () => {
  const held = fleet.lineage(3, { renewalFile: true })
  const sally = {
    ...fleet.nodeAt(3),
    inspection: fleet.inspection(held, { certbot: { timer: true, cron: false } }),
  }
  const made = plan(fleet.observe({ ...fleet.fleetAt(3), sally }, [fleet.version(3)]))
  expect(hasProblems(made)).toBe(false)
  expect(made.certificates[0]!.nodes[2]!.drift[0]).toMatchObject({ kind: 'notice' })
})

test('--node leaves the others out', () => {
  const made = plan(fleet.observe(fleet.fleetAt(2), [fleet.version(3)]), { only: ['esme'] })
  expect(made.certificates[0]!.nodes.map(({ node }) => node)).toEqual(['esme'])
})

test('--to-version that is not stored is refused with those that are', () => {
  const made = plan(fleet.observe(fleet.fleetAt(3), [fleet.version(3)]), { toVersion: 5 })
  expect(made.certificates[0]!.issuance).toMatchObject({
    kind: 'refuse',
    errors: [{ message: 'version 5 is not stored here', hints: ['stored versions: 3'] }],
  })
})

test('a plan survives JSON', () => {
  const made = plan(fleet.observe(fleet.fleetAt(2), [], { challenges: [challenge] }))
  expect(JSON.parse(JSON.stringify(made))).toEqual(made)
})

const blocked = {
  blocked: new Map([
    [
      'spki-3',
      {
        certificate: fleet.name,
        number: 3,
        reason: 'keyCompromise',
        at: '2026-11-23T10:00:00.000Z',
      } as const,
    ],
  ]),
}

test('a version whose key is blocked is replaced, whatever its dates say', () => {
  const observed = fleet.observe(fleet.fleetAt(3), [fleet.version(3)], { withdrawal: blocked })
  expect(plan(observed).certificates[0]!.issuance).toMatchObject({
    kind: 'issue',
    number: 4,
    because: 'the key of version 3 is blocked (keyCompromise)',
  })
})

test('a version whose key is blocked goes nowhere any more: not when it is asked for, nor as the one to go back to', () => {
  const versions = [fleet.version(2), fleet.version(3), fleet.version(4)]
  const observed = fleet.observe(fleet.fleetAt(4), versions, { withdrawal: blocked })
  const asked = plan(observed, { toVersion: 3 }).certificates[0]!
  expect(asked).toMatchObject({ issuance: { kind: 'refuse' }, waves: [] })
  expect(JSON.stringify(asked.issuance)).toContain(
    'version 3 of media.hachyderm.io is never rolled out again',
  )

  const back = { certificate: fleet.certificate, rollout: fleet.rollout, only: undefined }
  const before = planRollBack({ ...back, toVersion: undefined }, observed)
  expect(before.certificates[0]!.nodes.map(({ action, to }) => `${action} ${to}`)).toEqual(
    Array(4).fill('roll-back 2'),
  )
  const exactly = planRollBack({ ...back, toVersion: 3 }, observed)
  expect(exactly.certificates[0]).toMatchObject({
    waves: [],
    nodes: fleet.cdn.map(() => ({ action: 'blocked' })),
  })
})

test('a copy of a blocked version under another number is blocked as well', () => {
  const copy = fleet.version(5, { spki: 'spki-3' })
  const observed = fleet.observe(fleet.fleetAt(3), [copy], { withdrawal: blocked })
  expect(plan(observed).certificates[0]!.issuance).toMatchObject({ kind: 'issue', number: 6 })
})

test('a replacement that was asked for is due until there is a newer version', () => {
  const withdrawal = { blocked: new Map(), asked: { number: 3, at: '2026-11-23T10:00:00.000Z' } }
  const issuance = (number: number) =>
    plan(fleet.observe(fleet.fleetAt(number), [fleet.version(number)], { withdrawal })).certificates[0]!
      .issuance
  expect(issuance(3)).toMatchObject({
    kind: 'issue',
    because: 'its replacement was asked for at 2026-11-23 10:00 UTC',
  })
  expect(issuance(4)).toMatchObject({ kind: 'keep', from: 4 })
})

describe('services of a node', () => {
  const apache = fleet.serviceState({
    unit: 'apache2',
    running: false,
    test: { command: 'apachectl -t', ok: true, output: '' },
  })
  const services = { nginx: fleet.serviceState(), apache }
  const observed = fleet.observe(
    {
      ...fleet.fleetAt(2),
      sally: { ...fleet.nodeAt(2), inspection: fleet.inspection(fleet.lineage(2), { services }) },
    },
    [fleet.version(3)],
  )

  test('block it by name when one of them is stopped', () => {
    const sally = plan(observed).certificates[0]!.nodes.at(-1)
    expect(sally).toMatchObject({ node: 'sally', action: 'blocked', because: 'apache is not running' })
    expect(sally?.drift).toContainEqual(
      expect.objectContaining({ hint: 'start it on the node: systemctl start apache2' }),
    )
  })

  test('that do not read a certificate do not hold it up', () => {
    const certificates = [{ ...fleet.certificate, services: ['nginx'] }]
    const made = makePlan({ certificates, rollout: fleet.rollout, forceRenew: false }, observed)
    expect(made.certificates[0]!.nodes.map(({ action }) => action)).toEqual(fleet.cdn.map(() => 'install'))
  })
})

describe('a node where something reads fullchain and key in one file', () => {
  const combining = { haproxy: fleet.serviceState({ combined: true }), nginx: fleet.serviceState() }
  const seenWith = (combined?: LiveEntry) => {
    const held = fleet.lineage(3)
    const live = { ...held.live, ...(combined && { combined }) }
    const sally = {
      ...fleet.nodeAt(3),
      inspection: fleet.inspection({ ...held, live }, { services: combining }),
    }
    return fleet.observe({ ...fleet.fleetAt(3), sally }, [fleet.version(3)])
  }
  const link = (number: number): LiveEntry => ({
    is: 'link',
    target: `../../archive/${fleet.name}/combined${number}.pem`,
    number,
    sha256: `sha256-of-combined${number}`,
  })
  const sallyOf = (observed: Observed, services?: readonly string[]) =>
    makePlan(
      { certificates: [{ ...fleet.certificate, services }], rollout: fleet.rollout, forceRenew: false },
      observed,
    ).certificates[0]!.nodes.find(({ node }) => node === 'sally')

  test.each([
    ['lacks it', undefined, `live/${fleet.name}/combined.pem is missing`],
    ['has an older one', link(2), `live/${fleet.name}/combined.pem points to version 2`],
  ])('gets it when it %s', (_, entry, because) => {
    expect(sallyOf(seenWith(entry))).toMatchObject({ action: 'install', because })
  })

  test('is right with it, and without it for a certificate that is not read so', () => {
    expect(sallyOf(seenWith(link(3)))).toMatchObject({ action: 'none' })
    expect(sallyOf(seenWith(), ['nginx'])).toMatchObject({ action: 'none' })
  })

  test('is told that a real file in its place would be in the way', () => {
    expect(sallyOf(seenWith({ is: 'file', sha256: 'x' }))).toMatchObject({
      action: 'none',
      drift: [
        expect.objectContaining({ because: `live/${fleet.name}/combined.pem is a real file, not a link` }),
      ],
    })
  })
})
