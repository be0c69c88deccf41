import { describe, expect, test } from 'vitest'
import type { FileKind } from '../../src/core/certificate.ts'
import { fileKinds } from '../../src/core/certificate.ts'
import { judgeLayout } from '../../src/core/layout.ts'
import { makePlan } from '../../src/core/make-plan.ts'
import type { Inspection, Lineage, LiveEntry } from '../../src/core/node.ts'
import { plainPaint } from '../../src/core/paint.ts'
import { renderPlan } from '../../src/core/render-plan.ts'
import * as fleet from '../support/observed.ts'

const live = `live/${fleet.name}`
const archive = `archive/${fleet.name}`

/** One line for each thing that is found, version 8 being brought to a node on version 2. */
function found(change: Partial<Lineage>, seen: Partial<Inspection> = {}): string[] {
  const lineage = fleet.lineage(2, change)
  const inspection = fleet.inspection(lineage, seen)
  return judgeLayout({ node: 'sally', lineage, inspection, to: 8, kinds: fileKinds, strays: [] }).map(
    (one) => {
      const then = one.kind === 'mend' ? one.repair : one.kind === 'blocked' ? one.hint : ''
      return [one.kind, one.because, then].filter((part) => part !== '').join(' | ')
    },
  )
}

function links(change: Partial<Record<FileKind, LiveEntry>>): Partial<Lineage> {
  return { live: { ...fleet.lineage(2).live, ...change } }
}

const to = (target: string, change: object = {}): LiveEntry => ({ is: 'link', target, ...change })
const sum = { sha256: 'x' }

test('of what certbot leaves there is nothing to say', () => {
  expect(found({})).toEqual([])
})

test.each<[string, Partial<Record<FileKind, LiveEntry>>, string]>([
  ['missing', { chain: { is: 'missing' } }, `${live}/chain.pem is missing`],
  [
    'a link that dangles',
    { chain: to('../../archive/gone/chain9.pem') },
    `${live}/chain.pem points to nothing (../../archive/gone/chain9.pem)`,
  ],
  ['a link to itself', { chain: to('chain.pem') }, `${live}/chain.pem leads in a circle (chain.pem)`],
  [
    'an absolute link',
    { privkey: to(`/etc/letsencrypt/${archive}/privkey2.pem`, { number: 2, ...sum }) },
    `${live}/privkey.pem is an absolute link (/etc/letsencrypt/${archive}/privkey2.pem)`,
  ],
  [
    'a link that leaves the archive',
    { privkey: to('/root/media.key', sum) },
    `${live}/privkey.pem points elsewhere than to an ${archive} (/root/media.key)`,
  ],
  [
    'a link on a way of its own',
    { privkey: to(`../../live/../${archive}/privkey2.pem`, { number: 2, ...sum }) },
    `${live}/privkey.pem is not the link that certbot makes (../../live/../${archive}/privkey2.pem)`,
  ],
])('%s is named with where it led, and is mended by any install', (_what, change, because) => {
  expect(found(links(change))).toEqual([`mend | ${because} | becomes a link to version 8`])
})

test('a circle of links is told from links that dangle', () => {
  const circle = { cert: to('./chain.pem'), chain: to('fullchain.pem'), fullchain: to('cert.pem') }
  expect(found(links(circle)).map((line) => line.split(' | ')[1])).toEqual([
    `${live}/cert.pem leads in a circle (./chain.pem)`,
    `${live}/chain.pem leads in a circle (fullchain.pem)`,
    `${live}/fullchain.pem leads in a circle (cert.pem)`,
  ])
})

test('links to several versions are told as one thing', () => {
  expect(found(links({ privkey: fleet.link('privkey', 1) }))).toEqual([
    `mend | ${live} mixes versions 1 and 2 | all of it becomes version 8`,
  ])
})

test('half versions, gaps and other names in the archive are told with what the number rule does', () => {
  const files = fleet.lineage(2).archive.filter(({ kind, number }) => kind !== 'chain' || number !== 2)
  const seven = { kind: 'privkey' as const, number: 7, sha256: 'x', mode: '600', owner: 'root:root' }
  expect(found({ archive: [...files, seven], odd: ['privkey01.pem', 'old'] })).toEqual([
    `mend | version 2 in ${archive} is not complete: no chain | it stays, and version 8 is above it`,
    `mend | version 7 in ${archive} is not complete: no cert, chain, fullchain | it stays, and version 8 is above it`,
    `mend | ${archive} has no version 3 to 6 | the gap stays; the new number is 8`,
    `mend | ${live} and ${archive} hold privkey01.pem, old too | left as it is`,
  ])
})

const adoptHint = `certs rollout ${fleet.name} --adopt`
const folders = (path: string, change: object) => ({
  folders: fleet.lineage(2).folders.map((one) => (one.path === path ? { ...one, ...change } : one)),
})

describe('blocked until somebody says yes', () => {
  test.each([
    [folders('live', { mode: '777' }), 'live can be written by others (mode 777)'],
    [folders('.', { mode: '2775' }), '/etc/letsencrypt can be written by others (mode 2775)'],
    [folders(archive, { owner: 'bob:bob', foreign: true }), `${archive} belongs to bob:bob`],
    [links({ privkey: { is: 'file', sha256: 'x' } }), `${live}/privkey.pem is a real file, not a link`],
    [
      { liveDirectory: 'link' as const, ...folders(live, { is: 'link', target: '/srv/x', mode: '777' }) },
      `${live} is itself a link (/srv/x)`,
    ],
  ])('%#: %s', (change, because) => {
    expect(found(change)).toEqual([`blocked | ${because} | ${adoptHint}`])
  })

  test('all of it is told as one, with the repair of each', () => {
    const lineage = fleet.lineage(2, {
      ...links({ privkey: { is: 'file', sha256: 'x' } }),
      ...folders('live', { mode: '777' }),
    })
    const [blocked] = judgeLayout({
      node: 'sally',
      lineage,
      inspection: fleet.inspection(lineage),
      to: 8,
      kinds: fileKinds,
      strays: [],
    })
    expect(blocked).toEqual({
      kind: 'blocked',
      because: 'live can be written by others (mode 777), and 1 more thing',
      hint: adoptHint,
      detail: `live can be written by others (mode 777): only its owner may write there
${live}/privkey.pem is a real file, not a link: kept in ${archive} under a free number, and a link takes its place`,
    })
  })
})

test('what only a person can put right blocks with a yes, too', () => {
  const target = '/srv/certs'
  const blocked =
    'blocked | archive is itself a link (/srv/certs) | put the directory in its place that it leads to: ls -ld /etc/letsencrypt/archive'
  expect(found(folders('archive', { is: 'link', target, mode: '777' }))).toEqual([blocked])
  expect(found(folders('.', { is: 'link', target, mode: '777' }))).toEqual([])
  const odd = `${live}/chain.pem`
  expect(found(links({ chain: { is: 'other' } }))).toEqual([
    `blocked | ${odd} is neither a link nor a file | move it away on the node: mv /etc/letsencrypt/${odd} /etc/letsencrypt/${odd}.before`,
  ])
})

test('a key that every user can reach is named, and not one behind a folder that is closed', () => {
  const files = fleet.lineage(2).archive.map((file) => ({ ...file, mode: '644' }))
  expect(found({ archive: files })).toEqual([])
  const open = fleet.lineage(2).folders.map((one) => ({ ...one, mode: '755' }))
  expect(found({ archive: files, folders: open })).toEqual([
    `notice | every user there may read ${archive}/privkey1.pem, ${archive}/privkey2.pem; ${adoptHint} closes that`,
  ])
})

test('a certbot that is at work is named with what it will do and how to stop it, one that is not is not', () => {
  const certbot = { timer: false, cron: true }
  const siblings = [
    { name: `${fleet.name}-0001`, renewalFile: true },
    { name: `${fleet.name}-0002`, renewalFile: false },
  ]
  const stop = 'to stop it: certs nodes adopt sally'
  expect(found({ renewalFile: true, siblings }, { certbot })).toEqual([
    `notice | certbot renews ${fleet.name} here too (cron): it issues beside certs, and moves the links in ${live} to its own version; ${stop}`,
    `notice | ${live}-0001 is another lineage for ${fleet.name}, and certbot renews it (cron); ${stop}`,
    `mend | ${live}-0002 is another lineage for ${fleet.name} | left as it is; certs audit says whether anything reads it`,
  ])
  expect(found({ renewalFile: true })).toEqual([])
})

test('the plan says of a node what is mended by the way, and of one that is right nothing of it', () => {
  const chain = to('../../archive/gone/chain9.pem')
  const odd = ['privkeyX.pem']
  const messy = fleet.lineage(2, { ...links({ chain }), odd })
  const sally = { ...fleet.nodeAt(2), inspection: fleet.inspection(messy) }
  const esme = { ...fleet.nodeAt(3), inspection: fleet.inspection(fleet.lineage(3, { odd })) }
  const observed = fleet.observe({ ...fleet.fleetAt(3), sally, esme }, [fleet.version(3)])
  const plan = makePlan(
    { certificates: [fleet.certificate], rollout: fleet.rollout, forceRenew: false },
    observed,
  )
  expect(renderPlan(plan, plainPaint)).toMatchInlineSnapshot(`
    "media.hachyderm.io
      = keep version 3, valid for 89 days
      = cdn-frankfurt-1  version 3      it serves it, and its files are right
      = cdn-fremont-1    version 3      it serves it, and its files are right
      ~ sally            version 2 → 3  it serves a certificate by R10, expired 10 hours ago
      = esme             version 3      it serves it, and its files are right
      mend: sally: live/media.hachyderm.io/chain.pem points to nothing (../../archive/gone/chain9.pem): becomes a link to version 3
      mend: sally: live/media.hachyderm.io and archive/media.hachyderm.io hold privkeyX.pem too: left as it is

    Plan: 1 node to change."
  `)
})
