import { describe, expect, test } from 'vitest'
import { planLayoutAdoption, reservedNumber } from '../../src/core/layout-adoption.ts'
import { fileKinds } from '../../src/core/certificate.ts'
import type { FileKind } from '../../src/core/certificate.ts'
import { makePlan } from '../../src/core/make-plan.ts'
import type { PlanRequest } from '../../src/core/make-plan.ts'
import type { ArchiveFile, Lineage, LiveEntry } from '../../src/core/node.ts'
import type { Observed } from '../../src/core/observed.ts'
import { plainPaint } from '../../src/core/paint.ts'
import { renderPlan } from '../../src/core/render-plan.ts'
import * as fleet from '../support/observed.ts'

const files = (sum: (kind: FileKind) => string): Lineage['live'] =>
  Object.fromEntries(fileKinds.map((kind) => [kind, { is: 'file', sha256: sum(kind) }])) as Lineage['live']
const foreign = files((kind) => `foreign ${kind}`)
const version = (number: number, kinds: readonly FileKind[] = fileKinds, sum = 'sha256-of-') =>
  kinds.map((kind): ArchiveFile => ({
    kind,
    number,
    sha256: `${sum}${kind}${number}`,
    mode: '600',
    owner: 'root:root',
  }))
const avoid = new Set<number>()

function kept(lineage: Lineage, to: number, others = avoid) {
  return planLayoutAdoption({ kinds: fileKinds, strays: [], lineage, to, avoid: others })?.keep
}

describe('the number under which what lies in live is kept', () => {
  test('is one that is free on the node, preferably used nowhere, and below the new one', () => {
    const lineage = fleet.lineage(2, { live: foreign })
    expect(kept(lineage, 4)).toEqual({ number: 3, copied: fileKinds })
    expect(kept(lineage, 8)).toEqual({ number: 7, copied: fileKinds })
    expect(kept(lineage, 8, new Set([7, 6, 4]))).toMatchObject({ number: 5 })
    expect(kept(lineage, 6, new Set([5, 4, 3]))).toMatchObject({ number: 5 })
  })

  test('is that of the version which holds the same bytes, of which nothing is copied', () => {
    const same = files((kind) => `sha256-of-${kind}1`)
    expect(kept(fleet.lineage(2, { live: same }), 4)).toEqual({ number: 1, copied: [] })
    // Of a live that is not whole, too.
    const live = { ...same, chain: { is: 'missing' } as LiveEntry, cert: { is: 'missing' } as LiveEntry }
    expect(kept(fleet.lineage(2, { live }), 4)).toEqual({ number: 1, copied: [] })
  })

  test('is that of a copy that was cut off, which is completed', () => {
    const archive = [...version(1), ...version(3, ['privkey', 'cert'])]
    const live = files((kind) => `sha256-of-${kind}3`)
    expect(kept(fleet.lineage(1, { archive, live }), 5)).toEqual({
      number: 3,
      copied: ['chain', 'fullchain'],
    })
  })

  test('is not that of a half version with other bytes', () => {
    const archive = [...version(1), ...version(3, ['privkey'])]
    expect(kept(fleet.lineage(1, { archive, live: foreign }), 4)).toEqual({ number: 2, copied: fileKinds })
  })

  test('is not one of a long archive whose oldest versions are not told', () => {
    const archive = Array.from({ length: 12 }, (_, i) => version(i + 49)).flat()
    const lineage = fleet.lineage(1, { archive, live: foreign })
    expect(reservedNumber(lineage)).toBe(61)
    expect(kept(lineage, 62)).toMatchObject({ number: 61 })
  })

  test('is needed where live is a link, or a link leads out of the archive, and not for links into it', () => {
    expect(kept(fleet.lineage(2), 4)).toBeUndefined()
    const key = { is: 'link', target: '/root/key.pem', sha256: 'x' } as const
    expect(kept(fleet.lineage(2, { live: { ...fleet.lineage(2).live, privkey: key } }), 4)).toMatchObject({
      number: 3,
    })
    expect(kept(fleet.lineage(2, { liveDirectory: 'link' }), 4)).toEqual({ number: 2, copied: [] })
  })
})

test('nothing is adopted of what certbot leaves', () => {
  expect(
    planLayoutAdoption({ kinds: fileKinds, strays: [], lineage: fleet.lineage(2), to: 3, avoid }),
  ).toBeUndefined()
})

test('modes are put right from the outside in, and keys that others may read', () => {
  const folders = fleet
    .lineage(1)
    .folders.map((one) => ({ ...one, mode: one.path === 'archive' ? '700' : '777' }))
  const archive = version(1).map((file) => ({ ...file, mode: '644' }))
  expect(
    planLayoutAdoption({
      kinds: fileKinds,
      strays: [],
      lineage: fleet.lineage(1, { folders, archive }),
      to: 2,
      avoid,
    }),
  ).toEqual({
    reads: [],
    modes: [
      { path: '.', was: '777 root:root' },
      { path: 'live', was: '777 root:root' },
      { path: `live/${fleet.name}`, was: '777 root:root' },
      { path: `archive/${fleet.name}`, was: '777 root:root' },
      { path: `archive/${fleet.name}/privkey1.pem`, was: '644 root:root' },
    ],
  })
})

function plan(observed: Observed, change: Partial<PlanRequest> = {}) {
  const request = { certificates: [fleet.certificate], rollout: fleet.rollout, forceRenew: false }
  return makePlan({ ...request, ...change }, observed)
}

const nodeWith = (lineage: Lineage) => ({ ...fleet.nodeAt(2), inspection: fleet.inspection(lineage) })

test('without a yes the node is left out; with it the plan says step by step what is done', () => {
  const live = {
    ...files((kind) => `sha256-of-${kind}2`),
    chain: { is: 'link', target: 'gone' } as LiveEntry,
  }
  const folders = fleet.lineage(2).folders.map((one) => (one.path === 'live' ? { ...one, mode: '777' } : one))
  const observed = fleet.observe(
    { ...fleet.fleetAt(3), esme: nodeWith(fleet.lineage(2, { live, folders })) },
    [fleet.version(3)],
  )
  expect(renderPlan(plan(observed), plainPaint)).toMatchInlineSnapshot(`
    "media.hachyderm.io
      = keep version 3, valid for 89 days
      = cdn-frankfurt-1  version 3  it serves it, and its files are right
      = cdn-fremont-1    version 3  it serves it, and its files are right
      = sally            version 3  it serves it, and its files are right
      ! esme             blocked    live can be written by others (mode 777), and 1 more thing
          live can be written by others (mode 777): only its owner may write there
          privkey.pem, cert.pem, fullchain.pem in live/media.hachyderm.io are real files, not links: kept in archive/media.hachyderm.io under a free number, and links take their place
      hint: esme: certs rollout media.hachyderm.io --adopt

    Nothing can be done: 1 node can not be changed."
  `)
  const adopting = plan(observed, { adopt: true })
  expect(renderPlan(adopting, plainPaint)).toMatchInlineSnapshot(`
    "media.hachyderm.io
      = keep version 3, valid for 89 days
      = cdn-frankfurt-1  version 3  it serves it, and its files are right
      = cdn-fremont-1    version 3  it serves it, and its files are right
      = sally            version 3  it serves it, and its files are right
      ~ esme             version 3  it serves a certificate by R10, expired 10 hours ago
      adopt: esme: live can be written by others (mode 777): only its owner may write there
      adopt: esme: privkey.pem, cert.pem, fullchain.pem in live/media.hachyderm.io are real files, not links: kept in archive/media.hachyderm.io as version 2, and links take their place
      mend: esme: live/media.hachyderm.io/chain.pem points to nothing (gone): becomes a link to version 3

    Plan: 1 node to change."
  `)
  expect(adopting.certificates[0]!.nodes[3]!.adoption).toMatchObject({ keep: { number: 2, copied: [] } })
})

test('a stored version goes out under a higher number where no free one is left below it', () => {
  const observed = fleet.observe(
    { ...fleet.fleetAt(2), esme: nodeWith(fleet.lineage(2, { live: foreign })) },
    [fleet.version(3)],
  )
  expect(plan(observed).certificates[0]!.issuance).toMatchObject({ kind: 'keep', from: 3, number: 3 })
  const { issuance, nodes } = plan(observed, { adopt: true }).certificates[0]!
  expect(issuance).toMatchObject({
    kind: 'keep',
    from: 3,
    number: 4,
    because: expect.stringContaining('number 3 leaves none free for what is adopted') as string,
  })
  expect(nodes.map(({ to }) => to)).toEqual([4, 4, 4, 4])
  expect(nodes[3]!.adoption?.keep).toEqual({ number: 3, copied: fileKinds })
})

test('a new version leaves room for what is adopted', () => {
  const observed = fleet.observe({ esme: nodeWith(fleet.lineage(2, { live: foreign })) }, [], { highest: 2 })
  const { issuance } = plan(observed, { adopt: true, only: ['esme'] }).certificates[0]!
  expect(issuance).toMatchObject({ kind: 'issue', number: 4 })
})

test('a node that is right but for its modes is changed with a yes, and left alone without', () => {
  const folders = fleet.lineage(3).folders.map((one) => (one.path === 'live' ? { ...one, mode: '777' } : one))
  const esme = { ...fleet.nodeAt(3), inspection: fleet.inspection(fleet.lineage(3, { folders })) }
  const observed = fleet.observe({ ...fleet.fleetAt(3), esme }, [fleet.version(3)])
  expect(plan(observed).certificates[0]!.nodes[3]).toMatchObject({ action: 'none' })
  expect(plan(observed, { adopt: true }).certificates[0]!.nodes[3]).toMatchObject({
    action: 'install',
    to: 3,
    because: 'live can be written by others (mode 777)',
  })
})
