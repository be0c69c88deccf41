import { expect, test } from 'vitest'
import { viewAll } from '../../src/core/audit.ts'
import type { Certificate } from '../../src/core/certificate.ts'
import type { Material, MaterialFile } from '../../src/core/material.ts'
import { plainPaint } from '../../src/core/paint.ts'
import { planNodePrune, unseenPrune } from '../../src/core/plan-prune.ts'
import { findCandidates } from '../../src/core/prune-candidates.ts'
import type { PruneWishes } from '../../src/core/prune-candidates.ts'
import { backupId, backupTime } from '../../src/core/prune.ts'
import type { Candidate, Weighed } from '../../src/core/prune.ts'
import { renderBackups, renderPrune, renderPruned } from '../../src/core/render-prune.ts'
import { renderPruneMarkdown } from '../../src/core/render-prune-markdown.ts'
import { key, materialOf, pem, root, serverOf } from '../support/material.ts'
import { certificate, name, now } from '../support/observed.ts'

const fresh = { notBefore: '2026-11-01T00:00:00.000Z', notAfter: '2027-01-30T00:00:00.000Z' }
const onSally: Certificate = { ...certificate, nodes: ['sally'] }
const kinds = ['privkey', 'cert', 'chain', 'fullchain'] as const

/** A whole lineage: each version with its four files, but for those that are left out; live on one of them. */
function lineage(
  of: string,
  numbers: readonly number[],
  { live = numbers.at(-1), without = [] as readonly string[], names = [of] } = {},
): MaterialFile[] {
  const files = numbers.flatMap((number) =>
    kinds
      .map((kind): MaterialFile => {
        const path = `${root}/archive/${of}/${kind}${number}.pem`
        if (kind === 'privkey') return key(path, number)
        const file = pem(path, number, { ...(number > 2 ? fresh : {}), names })
        return kind === 'chain'
          ? { ...file, certificate: { ...file.certificate!, authority: true, names: [] } }
          : file
      })
      .filter(({ path }) => !without.some((one) => path.endsWith(`/${one}.pem`))),
  )
  const links = kinds.flatMap((kind): MaterialFile[] => {
    const file = files.find(({ path }) => path.endsWith(`/${kind}${live}.pem`))
    return file ? [{ ...file, path: `${root}/live/${of}/${kind}.pem`, target: `../../archive/${of}/x` }] : []
  })
  return [...files, ...links]
}

interface Given extends Partial<PruneWishes> {
  readonly configured?: readonly Certificate[]
  readonly stored?: readonly number[]
  readonly newest?: number
  readonly others?: readonly Material[]
}

function candidatesOf(material: Material, given: Given = {}) {
  const { configured = [onSally], stored = [], newest } = given
  const nodes = [material, ...(given.others ?? [])].map((one) => ({ node: one.node, material: one }))
  const views = viewAll(nodes, configured)
  return findCandidates({
    keep: 3,
    orphanKeys: false,
    names: [],
    ...given,
    view: views[0]!,
    fleet: { views, now },
    stored: {
      fingerprints: new Set(stored.map((number) => `leaf-${number}`)),
      newest: newest === undefined ? [] : [{ fingerprint: `leaf-${newest}`, spki: `spki-${newest}` }],
    },
  })
}

/** `- kind label` and `= label: because`. */
function said(files: readonly MaterialFile[], given: Given = {}, servers = [serverOf(name, name)]): string[] {
  const { candidates, stays, refused } = candidatesOf(materialOf('sally', { servers, files }), given)
  return [
    ...candidates.map(({ kind, label }) => `- ${kind} ${label}`),
    ...stays.map(({ label, because }) => `= ${label}: ${because}`),
    ...(refused ? [`nothing: ${refused.because}`] : []),
  ].map((line) => line.replaceAll(`${root}/archive/`, ''))
}

const of = (number: number) => `${name} (version ${number})`

test.each<[string, MaterialFile[], Given, string[]]>([
  ['as many as are kept', lineage(name, [1, 2, 3]), {}, []],
  [
    'more than are kept',
    lineage(name, [1, 2, 3, 4, 5]),
    {},
    [`- old-version ${of(1)}`, `- old-version ${of(2)}`],
  ],
  ['gaps between them', lineage(name, [1, 4, 9, 12]), {}, [`- old-version ${of(1)}`]],
  [
    'only the live one kept',
    lineage(name, [1, 2, 3]),
    { keep: 1 },
    [`- old-version ${of(1)}`, `- old-version ${of(2)}`],
  ],
  [
    'half ones between, which do not count',
    lineage(name, [1, 2, 3, 4, 5], { without: ['chain4', 'privkey3'] }),
    { keep: 2 },
    [`- old-version ${of(1)}`],
  ],
  [
    'a half one older than those',
    lineage(name, [1, 2, 3, 4], { without: ['privkey1'] }),
    {},
    [`- half-version ${of(1)}`],
  ],
  [
    'newer ones than the live one, which was rolled back',
    lineage(name, [1, 2, 3, 4, 5], { live: 3 }),
    { keep: 1 },
    [
      `- old-version ${of(1)}`,
      `- old-version ${of(2)}`,
      `= ${of(4)}: it is newer than the live version 3`,
      `= ${of(5)}: it is newer than the live version 3`,
    ],
  ],
  [
    'an old one that is the newest certs has',
    lineage(name, [1, 2, 3, 4, 5]),
    { keep: 2, newest: 2 },
    [
      `- old-version ${of(1)}`,
      `- old-version ${of(3)}`,
      `= ${of(2)}: it is the newest version that certs has stored`,
    ],
  ],
  [
    'a live that leads to no whole version',
    lineage(name, [1, 2, 3, 4], { without: ['chain4'] }),
    { keep: 1 },
    [`= ${name}: live/${name} does not lead to one whole version, so which are older is not known`],
  ],
])('of versions in use with %s', (_, files, given, expected) => {
  expect(said(files, given)).toEqual(expected)
})

test('a live whose links lead to two versions is left to a rollout', () => {
  const files = lineage(name, [1, 2, 3]).map((file) =>
    file.path === `${root}/live/${name}/privkey.pem`
      ? { ...file, id: `${root}/archive/${name}/privkey2.pem` }
      : file,
  )
  expect(said(files, { keep: 1 })).toEqual([
    `= ${name}: live/${name} does not lead to one whole version, so which are older is not known`,
  ])
})

test('an old version that a server of nginx reads stays', () => {
  const server = serverOf(
    'x.example',
    `${root}/archive/${name}/fullchain1.pem`,
    `${root}/archive/${name}/privkey1.pem`,
  )
  expect(said(lineage(name, [1, 2, 3]), { keep: 1 }, [serverOf(name, name), server])).toEqual([
    `- old-version ${of(2)}`,
    `= ${of(1)}: nginx reads it`,
  ])
})

const gone = 'gone.example'
const live = lineage(name, [3])
const whole = `${root}/{live,archive}/${gone}`

test.each<[string, MaterialFile[], Given, string[]]>([
  ['a lineage', lineage(gone, [2]), {}, [`- orphan ${whole}`]],
  [
    'a lineage, with the links to it from elsewhere',
    [
      ...lineage(gone, [2]),
      { ...pem('/tls/gone.pem', 2), id: `${root}/archive/${gone}/fullchain2.pem`, target: 'x' },
    ],
    {},
    [`- orphan ${whole}`],
  ],
  [
    'a copy of what is live',
    [pem('/root/a.pem', 3, fresh), key('/root/a.key', 3)],
    {},
    ['- copy /root/a.pem, /root/a.key'],
  ],
  ['a key that fits nothing', [key('/root/k.pem', 99)], {}, ['= /root/k.pem: what it is for is not known']],
  ['such a key, asked for', [key('/root/k.pem', 99)], { orphanKeys: true }, ['- orphan-key /root/k.pem']],
  ['another name than was asked for', lineage(gone, [2]), { names: ['x.example'] }, []],
  [
    'a numbered sibling of the name asked for',
    lineage(`${gone}-0001`, [2]),
    { names: [gone] },
    [`- orphan ${root}/{live,archive}/${gone}-0001`],
  ],
])('of what nothing reads: %s', (_, files, given, expected) => {
  expect(said([...live, ...files], given)).toEqual(expected)
})

test('a lineage through whose links nginx reads another stays', () => {
  const through = `${root}/live/${gone}/fullchain.pem`
  const archived = lineage(gone, [2]).filter(({ target }) => target === undefined)
  const link = { ...live[3]!, path: through, target: `../${name}/fullchain.pem` }
  const far = { ...link, path: '/tls/a.pem', target: through }
  const servers = (path: string) => [
    serverOf(name, name),
    serverOf(name, path, `${root}/live/${name}/privkey.pem`),
  ]
  const files = [...live, ...archived, link, far]
  expect(said(files, {}, servers(through))).toEqual([`= ${whole}: nginx reads ${through}`])
  expect(said(files, {}, servers('/tls/a.pem'))).toEqual([`= ${whole}: nginx reads /tls/a.pem`])
  expect(said(files, {}, servers(`${root}/live/${name}/fullchain.pem`))).toEqual([`- orphan ${whole}`])
})

test('what certs keeps on the node stays, also where it lies in live as real files that nothing reads', () => {
  const files = [
    pem(`${root}/live/${name}/fullchain.pem`, 3, fresh),
    key(`${root}/live/${name}/privkey.pem`, 3),
  ]
  expect(said(files, {}, [])).toEqual([`= ${root}/{live,archive}/${name}: certs keeps ${name} here`])
})

test('what only another node reads is a copy, and says whose', () => {
  const files = lineage(gone, [4])
  const others = [materialOf('esme', { servers: [serverOf(gone, gone)], files })]
  const { candidates } = candidatesOf(materialOf('sally', { servers: [serverOf(name, name)], files }), {
    others,
  })
  expect(candidates).toMatchObject([{ kind: 'copy', because: 'only esme reads it', lost: false }])
})

test('what is valid and not in the store is said to be lost but for the backup', () => {
  const material = materialOf('sally', { servers: [serverOf(name, name)], files: lineage(gone, [4]) })
  expect(candidatesOf(material).candidates[0]?.lost).toBe(true)
  expect(candidatesOf(material, { stored: [4] }).candidates[0]?.lost).toBe(false)
})

test.each<[string, Partial<Material>, string]>([
  [
    'nginx -t fails',
    {
      nginx: {
        configured: true,
        installed: true,
        running: true,
        test: { ok: false, output: 'emerg' },
        configuration: [],
      },
    },
    'nginx -t fails, so who reads the files is not known',
  ],
  [
    'there is no nginx',
    {
      nginx: {
        configured: true,
        installed: false,
        running: false,
        test: { ok: false, output: '' },
        configuration: [],
      },
    },
    'there is no nginx, so who reads the files is not known',
  ],
  [
    'a search was cut short',
    { lacking: 'it took too long' },
    'not all files could be looked at: it took too long',
  ],
])('where %s nothing goes', (_, change, because) => {
  const material = { ...materialOf('sally', { files: lineage(gone, [1]) }), ...change }
  expect(candidatesOf(material)).toMatchObject({ candidates: [], refused: { because } })
})

test('where nginx names a file by a variable nothing goes', () => {
  expect(said(lineage(gone, [1]), {}, [serverOf(name, '/tls/$ssl_server_name.pem', '/k')])).toEqual([
    'nothing: /etc/nginx/nginx.conf:1 names a file by a variable, so any may be read',
  ])
})

const entry = (path: string) => ({ type: 'file', path, said: `f ${path}` }) as const
const clean = {
  entries: [entry('/x'), entry('/etc/letsencrypt/renewal/x.conf')],
  named: [],
  idle: [],
  led: [],
}
const weighed = (items: Weighed['items'], more: Partial<Weighed> = {}): Weighed => ({
  items,
  unfinished: [],
  ...more,
})
const candidate: Candidate = {
  kind: 'orphan',
  target: { is: 'lineage', name: gone, links: [] },
  label: whole,
  what: `certificate and key of ${gone}, valid for 67 days`,
  because: 'nothing in nginx reads it',
  lost: true,
}

test('what the node says of a candidate decides', () => {
  const judge = (change: Partial<Weighed['items'][number]>) =>
    planNodePrune('sally', { candidates: [candidate], stays: [] }, weighed([{ ...clean, ...change }]))
      .stays[0]?.because
  expect(judge({})).toBeUndefined()
  expect(judge({ entries: [] })).toBe('it was not found again')
  expect(judge({ named: ['/etc/exim4/tls.conf:1', 'process exim4 (pid 7)'] })).toBe(
    '/etc/exim4/tls.conf:1, process exim4 (pid 7) name it',
  )
  expect(judge({ led: [`${root}/live/x/privkey.pem`] })).toBe(`${root}/live/x/privkey.pem leads to it`)
  expect(judge({ entries: [entry('/x'), { type: 'other', path: '/y', said: 'o' }] })).toMatch(
    /^\/y is neither/,
  )
})

test('where the search for other users did not end nothing goes', () => {
  const { items, refused } = planNodePrune(
    'sally',
    { candidates: [candidate], stays: [] },
    weighed([clean], { lacking: 'it took too long' }),
  )
  expect(items).toEqual([])
  expect(refused?.because).toBe('who else uses the files is not known: it took too long')
})

test('the plan says what goes, why, what is lost by it, and what stays', () => {
  const stays = [
    { label: '/root/k.pem', what: 'a private key', because: 'what it is for is not known', hints: ['h'] },
  ]
  const sally = planNodePrune(
    'sally',
    { candidates: [candidate], stays },
    weighed([{ ...clean, idle: ['/etc/nginx/sites-available/old:3'] }], {
      unfinished: ['20261122T000000Z-aaaaaa'],
    }),
  )
  const refused = { because: 'nginx -t fails, so who reads the files is not known', hints: ['mend it'] }
  const esme = planNodePrune('esme', { candidates: [], stays: [], refused }, weighed([]))
  const fritz = unseenPrune('fritz', { message: 'fritz: connect failed', hints: ['ssh fritz'] })
  const right = planNodePrune('right', { candidates: [], stays: [] }, weighed([]))
  const plan = { at: now.toISOString(), keep: 3, nodes: [sally, esme, fritz, right] }
  expect(renderPrune(plan, plainPaint)).toMatchInlineSnapshot(`
    "sally
      a run was cut off here: what backup 20261122T000000Z-aaaaaa took is put back before anything else
      - /etc/letsencrypt/{live,archive}/gone.example (2 files, with its renewal): certificate and key of gone.example, valid for 67 days
          because nothing in nginx reads it, and no other configuration or process names it
          it is valid and certs does not have it: the backup alone will
          /etc/nginx/sites-available/old:3, which nginx does not include, names it
      = /root/k.pem (a private key) stays: what it is for is not known
          → h

    esme
      nothing goes: nginx -t fails, so who reads the files is not known
          → mend it

    fritz
      fritz: connect failed
          → ssh fritz

    1 thing of no use (2 files) on 1 node, to go into a backup on the same node; 1 stays for a reason; of 2 nodes not enough is known; of each lineage the live version and up to 2 before it stay."
  `)
  expect(renderPruneMarkdown(plan)).toMatchInlineSnapshot(`
    "### certs prune, 2026-11-23 12:00 UTC

    **1 thing of no use (2 files) on 1 node, to go into a backup on the same node; 1 stays for a reason; of 2 nodes not enough is known; of each lineage the live version and up to 2 before it stay.**

    #### Goes

    | Node | Where | What | Because |
    | --- | --- | --- | --- |
    | sally | /etc/letsencrypt/{live,archive}/gone.example | certificate and key of gone.example, valid for 67 days | nothing in nginx reads it; it is valid and certs does not have it: the backup alone will; /etc/nginx/sites-available/old:3, which nginx does not include, names it |

    #### Stays

    | Node | Where | What | Because |
    | --- | --- | --- | --- |
    | sally | /root/k.pem | a private key | what it is for is not known |
    | esme | everything |  | nginx -t fails, so who reads the files is not known |
    | fritz | everything |  | fritz: connect failed |"
  `)
  expect(renderPrune({ ...plan, keep: 1, nodes: [right] }, plainPaint)).toBe(
    'Nothing to prune: of each lineage only the live version stays.',
  )
})

test('the report says where it lies now and how to bring it back', () => {
  const kept = [{ label: '/root/a.pem', because: 'nginx reads /root/a.pem now' }]
  const error = { message: 'esme: could not take everything away', hints: [] }
  expect(
    renderPruned(
      [
        { node: 'sally', backup: '20261123T120000Z-abcdef', gone: [whole], kept },
        { node: 'esme', gone: [], kept: [], error },
        {
          node: 'fritz',
          gone: [],
          kept: [{ label: '/root/b.pem', because: 'another node failed before it' }],
        },
      ],
      plainPaint,
    ),
  ).toMatchInlineSnapshot(`
    "sally: 1 went into backup 20261123T120000Z-abcdef.
      = /root/a.pem stayed: nginx reads /root/a.pem now
      to bring all of it back: certs prune --restore 20261123T120000Z-abcdef --node sally
    esme: failed, see below
    fritz: nothing went.
      = /root/b.pem stayed: another node failed before it"
  `)
})

test('backups are named after the run, and listed', () => {
  const id = backupId('2026-11-23T12:00:00Z-3fa2c1')
  expect(id).toBe('20261123T120000Z-3fa2c1')
  expect(backupTime(id)).toBe('2026-11-23T12:00:00Z')
  expect(backupTime('mine')).toBeUndefined()
  const backup = { node: 'sally', id, unfinished: false, files: 9, bytes: 4097 }
  expect(renderBackups([backup, { ...backup, node: 'esme', id: 'x', unfinished: true }], plainPaint))
    .toMatchInlineSnapshot(`
    "NODE   BACKUP                   MADE                  FILES  SIZE
    sally  20261123T120000Z-3fa2c1  2026-11-23 12:00 UTC  9      5 kB
    esme   x                        not known             9      5 kB  a run was cut off: the next certs prune --apply puts it back"
  `)
})
