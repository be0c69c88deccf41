import { describe, expect, test } from 'vitest'
import { findStrayReads } from '../../src/core/layout-reads.ts'
import { makePlan } from '../../src/core/make-plan.ts'
import type { Inspection, NginxRead, ReadElsewhere } from '../../src/core/node.ts'
import { issueVersion } from '../support/issue-version.ts'
import * as fleet from '../support/observed.ts'

const { leaf } = await issueVersion(fleet.name, 1)
const live = `/etc/letsencrypt/live/${fleet.name}`
const right: NginxRead = {
  file: `${live}/fullchain.pem`,
  key: `${live}/privkey.pem`,
  serverNames: [fleet.name],
}
const stray: NginxRead = { file: '/ssl/a.pem', key: '/ssl/a.key', serverNames: [fleet.name, 'x.example'] }
const file = (path: string, change: Partial<ReadElsewhere> = {}): ReadElsewhere => {
  return { path, leadsTo: path, sha256: `of ${path}`, ...(path.endsWith('.pem') ? { leaf } : {}), ...change }
}
const copies = [file('/ssl/a.pem'), file('/ssl/a.key')]

function find(
  reads: readonly NginxRead[],
  elsewhere: readonly ReadElsewhere[],
  change: Partial<Inspection> = {},
) {
  const inspection = fleet.inspection(fleet.lineage(2), { reads, elsewhere, ...change })
  return findStrayReads(fleet.certificate, inspection)
}

test('copies that nginx reads for a name of ours become links to live, certificate and key of a server together', () => {
  expect(find([right], [])).toEqual([])
  expect(find([stray], copies)).toEqual([
    {
      because: `nginx reads /ssl/a.pem and /ssl/a.key for ${fleet.name}, not live/${fleet.name}`,
      replacements: [
        { path: '/ssl/a.pem', kind: 'fullchain', sha256: 'of /ssl/a.pem' },
        { path: '/ssl/a.key', kind: 'privkey', sha256: 'of /ssl/a.key' },
      ],
      missed: true,
    },
  ])
})

test('of a pair that half leads to live only the other half is replaced', () => {
  const [found] = find(
    [stray],
    [file('/ssl/a.pem', { leadsTo: `live/${fleet.name}/fullchain.pem` }), copies[1]!],
  )
  expect(found?.replacements.map(({ path }) => path)).toEqual(['/ssl/a.key'])
  expect(
    find(
      [stray],
      copies.map((one) => ({ ...one, leadsTo: `live/${fleet.name}/x` })),
    ),
  ).toEqual([])
})

test('files that are not there, as in a container, are not judged', () => {
  expect(find([stray], [])).toEqual([])
})

test('a rollout is missed only where nothing else is read for a name that is verified', () => {
  expect(find([stray, right], copies).map(({ missed }) => missed)).toEqual([false])
  expect(find([{ ...stray, serverNames: ['*.hachyderm.io'] }], copies)).toEqual([])
})

describe('what stands in the way of adopting is told', () => {
  const other = { file: '/ssl/b.pem', key: '/ssl/a.key', serverNames: ['b.example'] }
  test.each<[string, readonly NginxRead[], readonly ReadElsewhere[], Partial<Inspection>]>([
    ['certificate and key are in one file', [{ ...stray, key: '/ssl/a.pem' }], copies, {}],
    ['/ssl/a.pem holds no certificate', [stray], [file('/ssl/a.pem', { leaf: 'none' }), copies[1]!], {}],
    [
      '/ssl can be changed by others than root',
      [stray],
      [file('/ssl/a.pem', { loose: '/ssl' }), copies[1]!],
      {},
    ],
    [
      '/etc/letsencrypt/archive/x/privkey3.pem is of the archive, where nothing is changed',
      [{ ...right, key: '/etc/letsencrypt/archive/x/privkey3.pem' }],
      [file('/etc/letsencrypt/archive/x/privkey3.pem', { leadsTo: 'archive/x/privkey3.pem' })],
      {},
    ],
    ['/ssl/a.key is read for b.example, too', [stray, other], copies, {}],
    [
      'the login there may change nothing outside of /etc/letsencrypt/live',
      [stray],
      copies,
      { program: 'installed' },
    ],
  ])('%s', (hindrance, reads, elsewhere, change) => {
    expect(find(reads, elsewhere, change)[0]).toMatchObject({ hindrance, replacements: [] })
  })

  test('a certificate that is for other names, too', async () => {
    const { leaf: wider } = await issueVersion('other.example', 1)
    const [found] = find([stray], [file('/ssl/a.pem', { leaf: wider }), copies[1]!])
    expect(found?.hindrance).toBe('/ssl/a.pem is for other.example, too')
  })
})

test('a node whose nginx reads copies is left out until somebody says yes, or where nobody can', () => {
  const plan = (change: Partial<Inspection>, adopt: boolean) => {
    const inspection = fleet.inspection(fleet.lineage(2), { reads: [stray], elsewhere: copies, ...change })
    const observed = fleet.observe({ sally: { ...fleet.nodeAt(2), inspection } }, [fleet.version(3)])
    const request = { certificates: [fleet.certificate], rollout: fleet.rollout, forceRenew: false }
    return makePlan({ ...request, adopt, only: ['sally'] }, observed).certificates[0]!.nodes[0]!
  }
  expect(plan({}, false)).toMatchObject({ action: 'blocked' })
  expect(plan({}, true)).toMatchObject({
    action: 'install',
    adoption: { reads: [{ kind: 'fullchain' }, {}] },
  })
  const sealed = plan({ program: 'installed' }, true)
  expect(sealed).toMatchObject({ action: 'blocked' })
  expect(sealed.because).toMatch(/^nginx reads .* \(--adopt can not mend it: the login there /)
  // Where live is read too, what is served shows whether that is enough.
  expect(plan({ reads: [stray, right] }, false)).toMatchObject({ action: 'install' })
})
