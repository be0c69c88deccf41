import { describe, expect, test } from 'vitest'
import { makeAudit, needsPerson, viewAll } from '../../src/core/audit.ts'
import type { AuditedNode } from '../../src/core/audit.ts'
import { judgeName, namesOf } from '../../src/core/audit-names.ts'
import type { NameLook } from '../../src/core/audit-names.ts'
import type { Certificate } from '../../src/core/certificate.ts'
import type { Material } from '../../src/core/material.ts'
import { plainPaint } from '../../src/core/paint.ts'
import { renderAudit } from '../../src/core/render-audit.ts'
import { renderAuditMarkdown } from '../../src/core/render-audit-markdown.ts'
import { key, lineage, materialOf, pem, root, serverOf } from '../support/material.ts'
import { certificate, name, now } from '../support/observed.ts'

const fresh = { notBefore: '2026-11-01T00:00:00.000Z', notAfter: '2027-01-30T00:00:00.000Z' }
const onSally: Certificate = { ...certificate, nodes: ['sally'] }

interface Fleet {
  readonly certificates?: readonly Certificate[]
  readonly looks?: readonly NameLook[]
}

function auditOf(
  materials: readonly (Material | AuditedNode)[],
  { certificates = [onSally], looks = [] }: Fleet = {},
) {
  const nodes = materials.map((one): AuditedNode =>
    'files' in one ? { node: one.node, material: one } : one,
  )
  const views = viewAll(nodes, certificates)
  const fleet = new Set(['10.0.0.1', '2001:db8::1'])
  const names = namesOf(views, certificates).map((one) => {
    const known = looks.find((look) => look.name === one.name) ?? { name: one.name, addresses: ['10.0.0.1'] }
    return judgeName(one, known, fleet)
  })
  return makeAudit({ now, certificates, nodes, views, names })
}

/** `level kind node: message`, and where. */
function said(materials: readonly (Material | AuditedNode)[], fleet?: Fleet): string[] {
  return auditOf(materials, fleet).findings.map(
    ({ level, kind, where, message }) =>
      `${level} ${kind}: ${message} @ ${where.map(({ node, what }) => `${node} ${what}`).join(', ')}`,
  )
}

const live = serverOf(name, name)
const held = lineage(name, [3], fresh)
const here = '/etc/nginx/nginx.conf:1'

test('a node that is as it should be needs nothing', () => {
  const audit = auditOf([materialOf('sally', { servers: [live], files: held })])
  expect(audit.findings).toEqual([])
  expect(needsPerson(audit)).toBe(false)
  expect(renderAudit(audit, plainPaint)).toMatch(/1 node, 1 certificate in 1 place, 1 name: nothing to do\.$/)
})

const other = { names: ['www.example.com'], ...fresh }
const www = lineage('www.example.com', [4], fresh)

describe('files that another service than nginx names', () => {
  const named = (path: string) => [{ path, at: '/etc/haproxy/haproxy.cfg:4' }]

  test('are in use, and where they are read is told', () => {
    const files = [...held, ...www]
    const material = materialOf('sally', {
      servers: [live],
      files,
      named: named(`${root}/live/www.example.com/fullchain.pem`),
    })
    expect(said([material])).toEqual([])
    const audit = auditOf([material])
    expect(audit.certificates.flatMap(({ places }) => places.flatMap(({ readBy }) => readBy))).toContain(
      '/etc/haproxy/haproxy.cfg:4',
    )
  })

  test('may be all of a folder, and not those below', () => {
    const files = [
      ...held,
      pem('/etc/haproxy/tls/a.pem', 5, other),
      pem('/etc/haproxy/tls/old/b.pem', 6, other),
    ]
    expect(said([materialOf('sally', { servers: [live], files, named: named('/etc/haproxy/tls') })])).toEqual(
      [expect.stringContaining('/etc/haproxy/tls/old/b.pem')],
    )
  })

  test('are no reason to take the node out of a certificate that no server of nginx answers for', () => {
    const files = [...held, ...www]
    const servers = [serverOf('www.example.com', 'www.example.com')]
    const reads = named(`${root}/live/${name}/privkey.pem`)
    expect(said([materialOf('sally', { servers, files, named: reads })])).not.toContainEqual(
      expect.stringContaining('unread'),
    )
    expect(said([materialOf('sally', { servers, files })])).toContainEqual(expect.stringContaining('unread'))
  })
})

const single: [string, Partial<Parameters<typeof materialOf>[1]>, string[]][] = [
  [
    'expired and served',
    { servers: [live], files: lineage(name, [2]) },
    [`wrong expired: ${name} is served, and expired 10 hours ago @ sally ${here}`],
  ],
  [
    'late, though certs renew should have come',
    {
      servers: [live],
      files: lineage(name, [3], {
        ...fresh,
        notBefore: '2026-09-01T00:00:00.000Z',
        notAfter: '2026-12-01T00:00:00.000Z',
      }),
    },
    [
      `wrong expiring: ${name} is served, and expires in 7 days, and certs renew has not renewed it yet @ sally ${here}`,
    ],
  ],
  [
    'in its last third, and somebody will renew it',
    {
      servers: [live],
      files: lineage(name, [3], {
        notBefore: '2026-09-20T00:00:00.000Z',
        notAfter: '2026-12-20T00:00:00.000Z',
      }),
    },
    [],
  ],
  [
    'served from a copy',
    {
      servers: [serverOf(name, '/tls/a.pem', '/tls/a.key')],
      files: [...held, pem('/tls/a.pem', 3, fresh), key('/tls/a.key', 3)],
    },
    [`wrong unexpected-file: nginx serves ${name} from /tls/a.pem: no rollout reaches that @ sally ${here}`],
  ],
  [
    'served through a link to live',
    {
      servers: [serverOf(name, '/tls/a.pem', '/tls/a.key')],
      files: [...held, { ...held[2]!, path: '/tls/a.pem', target: `..${root}/live/${name}/fullchain.pem` }],
    },
    [],
  ],
  [
    'served through a link past live',
    {
      servers: [serverOf(name, '/tls/a.pem', '/tls/a.key')],
      files: [...held, { ...held[2]!, path: '/tls/a.pem', target: `${root}/archive/${name}/fullchain3.pem` }],
    },
    [`wrong unexpected-file: nginx serves ${name} from /tls/a.pem: no rollout reaches that @ sally ${here}`],
  ],
  [
    'for other names than it says',
    { servers: [serverOf(`${name} x.example`, name)], files: held },
    [
      `wrong uncovered: a server of nginx answers for x.example with a certificate for ${name} @ sally ${here}`,
    ],
  ],
  [
    'for names that nobody can ask for',
    { servers: [serverOf(`${name} _ localhost ~^x$ "" *.hachyderm.io`, name)], files: held },
    [],
  ],
  [
    'a wildcard for its names',
    {
      servers: [live, serverOf('a.b.example', '/w.pem', '/w.key')],
      files: [...held, pem('/w.pem', 4, { ...other, names: ['*.b.example'] }), key('/w.key', 4)],
    },
    [
      `wrong unmanaged: *.b.example is served and not in the configuration: nothing that was found renews it @ sally /etc/nginx/nginx.conf:2`,
    ],
  ],
  [
    'with a key that is another',
    {
      servers: [serverOf(name, `${root}/live/${name}/fullchain.pem`, '/k.pem')],
      files: [...held, key('/k.pem', 9)],
    },
    [
      `wrong unpaired: certificate and key do not belong together: ${root}/live/${name}/fullchain.pem and /k.pem @ sally ${here}`,
    ],
  ],
  [
    'with a key that everybody may read',
    {
      servers: [live],
      files: [...held.slice(0, 1), key(`${root}/archive/${name}/privkey3.pem`, 3, '644'), ...held.slice(2)],
    },
    [
      `wrong readable-key: the key of ${name} is readable by every user of the node: ${root}/archive/${name}/privkey3.pem has mode 644 @ sally ${root}/archive/${name}/privkey3.pem`,
    ],
  ],
  [
    'with such a key behind a closed folder',
    {
      servers: [live],
      files: [...held.slice(0, 1), key(`${root}/archive/${name}/privkey3.pem`, 3, '644'), ...held.slice(2)],
      folders: { [`${root}/archive`]: '700' },
    },
    [
      `tidy readable-key: the key of ${name} is readable by every user of the node: ${root}/archive/${name}/privkey3.pem has mode 644; only the mode of ${root}/archive keeps others out @ sally ${root}/archive/${name}/privkey3.pem`,
    ],
  ],
  [
    'that nobody configured or renews',
    { servers: [live, serverOf('www.example.com', 'www.example.com')], files: [...held, ...www] },
    [
      'wrong unmanaged: www.example.com is served and not in the configuration: nothing that was found renews it @ sally /etc/nginx/nginx.conf:2',
    ],
  ],
  [
    'that certbot renews',
    {
      servers: [live, serverOf('www.example.com', 'www.example.com')],
      files: [...held, ...www],
      renewers: { timers: ['certbot.timer'], cron: [], lineages: ['www.example.com'] },
    },
    [
      'tidy unmanaged: www.example.com is served and not in the configuration: certbot.timer renews it @ sally /etc/nginx/nginx.conf:2',
    ],
  ],
  [
    'that certbot renews beside certs',
    { servers: [live], files: held, renewers: { timers: ['certbot.timer'], cron: [], lineages: [name] } },
    [`tidy rival: certbot renews ${name} too, and moves its links @ sally certbot.timer`],
  ],
  [
    'of no use to nginx',
    { servers: [live], files: [...held, ...www, key('/root/k.pem', 99)] },
    [
      `tidy orphan: nothing that was seen reads certificate and key of www.example.com, valid for 67 days @ sally ${root}/archive/www.example.com (1 version)`,
      'tidy orphan: nothing that was seen reads a private key that fits no certificate found @ sally /root/k.pem',
    ],
  ],
  [
    'twice on one node',
    { servers: [live], files: [...held, pem('/root/a.pem', 3, fresh), key('/root/a.key', 3)] },
    [
      `tidy copy: certificate and key of ${name}, valid for 67 days: a copy, and nginx reads another @ sally /root/a.pem, sally /root/a.key`,
    ],
  ],
  [
    'old, but for two to go back to',
    { servers: [live], files: lineage(name, [1, 2, 4, 5, 6, 7], fresh) },
    [`tidy idle-versions: ${name}: 3 old versions with keys (1–2, 4) @ sally ${root}/archive/${name}`],
  ],
  [
    'newer than live',
    { servers: [live], files: [...held, pem(`${root}/archive/${name}/fullchain8.pem`, 8, fresh)] },
    [
      `tidy idle-versions: ${name}: version 8 is newer than the live version 3 @ sally ${root}/archive/${name}`,
    ],
  ],
  [
    'configured, and no server answers for it',
    { servers: ['listen 80'], files: held },
    [
      `tidy unread: ${name} is configured for the node, and no server of nginx answers for it @ sally ${root}/archive/${name} (version 3)`,
    ],
  ],
  [
    'read by a path with a variable in it',
    {
      servers: [serverOf('_', '/tls/$ssl_server_name.pem', '/tls/${ssl_server_name}.key')],
      files: [pem('/tls/a.example.pem', 4, other), key('/tls/a.example.key', 4)],
    },
    [
      'wrong unmanaged: www.example.com is served and not in the configuration: nothing that was found renews it @ sally ' +
        here,
    ],
  ],
  [
    'perhaps read, as far as is known',
    {
      servers: [live, 'listen 443 ssl; ssl_certificate $any; ssl_certificate_key $any'],
      files: [...held, ...www],
    },
    [],
  ],
  [
    'only CAs',
    {
      servers: [live],
      files: [
        ...held,
        { ...pem('/ca.pem', 9), certificate: { ...pem('/ca.pem', 9).certificate!, authority: true } },
      ],
    },
    [],
  ],
]

test.each(single)('certificates %s', (_, material, findings) => {
  expect(said([materialOf('sally', material)])).toEqual(findings)
})

test('a copy on a node that does not need it names those that do', () => {
  const sally = materialOf('sally', { servers: [live], files: held })
  const fritz = materialOf('fritz', {
    servers: ['listen 80'],
    files: [pem('/root/a.pem', 3, fresh), key('/tmp/b.key', 3)],
  })
  expect(said([sally, fritz])).toEqual([
    `tidy copy: the certificate of ${name}, valid for 67 days: only sally reads it @ fritz /root/a.pem`,
    `tidy copy: the key of ${name}, valid for 67 days: only sally reads it @ fritz /tmp/b.key`,
  ])
})

test('a node that serves a configured name and is left out of it is named', () => {
  const esme = materialOf('esme', { servers: [live], files: held })
  expect(said([materialOf('sally', { servers: [live], files: held }), esme])).toEqual([
    `wrong left-out: ${name} is served here too, and certificates["${name}"].nodes leaves the node out @ esme ${here}`,
  ])
})

describe('what could not be looked at is not said to be right or of no use', () => {
  const nginx = { configured: true, installed: true, running: true, configuration: [] }
  test.each<[string, Material | AuditedNode, string]>([
    [
      'a node',
      { node: 'sally', error: { message: 'sally: no answer', hints: [] } },
      'wrong unseen: a node could not be looked at @ sally sally: no answer',
    ],
    [
      'a configuration with a fault',
      materialOf('sally', {
        files: www,
        nginx: { ...nginx, test: { ok: false, output: 'x\nnginx: [emerg] no' } },
      }),
      'wrong unseen: nginx -t fails, so who reads the files is not known @ sally nginx: [emerg] no',
    ],
    [
      'nginx under another test',
      materialOf('sally', { files: www, nginx: { ...nginx, test: { ok: true, output: '' } } }),
      'wrong unseen: nginx did not print its configuration, so who reads the files is not known @ sally the configured nginx.test is no nginx -t',
    ],
    [
      'no nginx',
      materialOf('sally', {
        files: www,
        nginx: { ...nginx, installed: false, test: { ok: false, output: '' } },
      }),
      'tidy unseen: there is no nginx, so who reads the files is not known @ sally nginx is not installed',
    ],
    [
      'a node whose services are others',
      materialOf('sally', {
        files: www,
        nginx: { ...nginx, configured: false, installed: false, test: { ok: false, output: '' } },
      }),
      'tidy unseen: nginx is no service of the node, so who reads the files is known in part only @ sally files count as read that the configuration of haproxy, apache, postfix, dovecot or caddy names',
    ],
    [
      'a search that was cut',
      materialOf('sally', { servers: [live], files: held, lacking: 'too long' }),
      'wrong unseen: not all files could be looked at @ sally too long',
    ],
  ])('%s', (_, node, finding) => {
    expect(said([node])).toEqual([finding])
  })
})

test.each<[string, NameLook, string, string[]]>([
  ['here', { name, addresses: ['10.0.0.1', '2001:db8:0::1'] }, 'here', []],
  ['elsewhere', { name, addresses: ['192.0.2.9'] }, 'elsewhere', ['192.0.2.9']],
  ['here and elsewhere', { name, addresses: ['10.0.0.1', '192.0.2.9'] }, 'partly', ['192.0.2.9']],
  ['nowhere', { name, addresses: [] }, 'nowhere', []],
  ['nobody knows where', { name, error: 'no answer' }, 'unknown', []],
])('a name that leads %s', (_, look, leads, addresses) => {
  const audit = auditOf([materialOf('sally', { servers: [live], files: held })], { looks: [look] })
  expect(audit.names).toMatchObject([{ name, leads, addresses }])
})

test('names worth asking for are those that a user may type, each once with all who say it', () => {
  const servers = [
    serverOf(`${name} _ *.x.example ~^y$ .dot.example localhost`, name),
    'listen 80; server_name dead.example',
  ]
  const views = viewAll(
    [{ node: 'sally', material: materialOf('sally', { servers, files: held }) }],
    [onSally],
  )
  expect(namesOf(views, [onSally]).map((one) => one.name)).toEqual(['dead.example', 'dot.example', name])
  expect(namesOf(views, [onSally]).at(-1)?.at).toEqual([
    { node: 'sally', what: here },
    { node: 'sally', what: `${root}/archive/${name} (version 3)` },
    { node: '', what: `certificates["${name}"]` },
  ])
})

const mess = auditOf(
  [
    materialOf('sally', { servers: [live], files: lineage(name, [2]) }),
    materialOf('esme', {
      servers: [serverOf(name, '/tls/a|b.pem', '/tls/a.key')],
      files: [...lineage(name, [2]), pem('/tls/a|b.pem', 2), key('/tls/a.key', 2, '644')],
    }),
  ],
  {
    certificates: [{ ...onSally, nodes: ['sally', 'esme'] }],
    looks: [{ name, addresses: ['10.0.0.1', '192.0.2.9'], alias: 'geo.example' }],
  },
)

test('is printed with what to do last, most urgent first', () => {
  expect(renderAudit(mess, plainPaint)).toMatchInlineSnapshot(`
    "media.hachyderm.io, by R10, expired 10 hours ago, ecdsa-p256, SHA-256 leaf-2…
      NODE   HOLDS        WHERE                                                          READ BY
      sally  both (600)   /etc/letsencrypt/archive/media.hachyderm.io (version 2, live)  /etc/nginx/nginx.conf:1
      esme   both (600)   /etc/letsencrypt/archive/media.hachyderm.io (version 2, live)  -
      esme   certificate  /tls/a|b.pem                                                   /etc/nginx/nginx.conf:1
      esme   key (644)    /tls/a.key                                                     /etc/nginx/nginx.conf:1

    Names that lead elsewhere, or nowhere
      media.hachyderm.io  leads here, and to 192.0.2.9 by geo.example  sally, esme: /etc/nginx/nginx.conf:1; sally: /etc/letsencrypt/archive/media.hachyderm.io (version 2); esme: /tls/a|b.pem; certificates["media.hachyderm.io"]
         → where they are gone for good, take their servers away, and leave them out of new certificates
         → where the address is the fleet's after all (a load balancer): certs audit --address ADDRESS

    To do now
      1. nginx serves media.hachyderm.io from /tls/a|b.pem: no rollout reaches that
           esme  /etc/nginx/nginx.conf:1
         → in /etc/nginx/nginx.conf:1: ssl_certificate /etc/letsencrypt/live/media.hachyderm.io/fullchain.pem; ssl_certificate_key /etc/letsencrypt/live/media.hachyderm.io/privkey.pem;
         → on esme, as root: nginx -t && systemctl reload nginx
      2. media.hachyderm.io is served, and expired 10 hours ago
           sally  /etc/nginx/nginx.conf:1
           esme   /etc/nginx/nginx.conf:1
         → certs rollout media.hachyderm.io
      3. the key of media.hachyderm.io is readable by every user of the node: /tls/a.key has mode 644
           esme  /tls/a.key
         → who could log in there may have it: certs replace media.hachyderm.io gives it a new key
         → on esme, as root: chmod o-rwx /tls/a.key

    2 nodes, 1 certificate in 4 places, 1 name: 3 to do now."
  `)
})

test('is printed for a ticket with what to do first', () => {
  expect(renderAuditMarkdown(mess)).toMatchInlineSnapshot(`
    "### certs audit, 2026-11-23 12:00 UTC

    **2 nodes, 1 certificate in 4 places, 1 name: 3 to do now.**

    #### To do now

    - [ ] nginx serves media.hachyderm.io from /tls/a\\|b.pem: no rollout reaches that
      - esme: /etc/nginx/nginx.conf:1
      - → \`in /etc/nginx/nginx.conf:1: ssl_certificate /etc/letsencrypt/live/media.hachyderm.io/fullchain.pem; ssl_certificate_key /etc/letsencrypt/live/media.hachyderm.io/privkey.pem;\`
      - → on esme, as root: \`nginx -t && systemctl reload nginx\`
    - [ ] media.hachyderm.io is served, and expired 10 hours ago
      - sally: /etc/nginx/nginx.conf:1
      - esme: /etc/nginx/nginx.conf:1
      - → \`certs rollout media.hachyderm.io\`
    - [ ] the key of media.hachyderm.io is readable by every user of the node: /tls/a.key has mode 644
      - esme: /tls/a.key
      - → \`who could log in there may have it: certs replace media.hachyderm.io gives it a new key\`
      - → on esme, as root: \`chmod o-rwx /tls/a.key\`

    #### Names that lead elsewhere, or nowhere

    | Name | Leads | Said by |
    | --- | --- | --- |
    | media.hachyderm.io | leads here, and to 192.0.2.9 by geo.example | sally, esme: /etc/nginx/nginx.conf:1; sally: /etc/letsencrypt/archive/media.hachyderm.io (version 2); esme: /tls/a\\|b.pem; certificates\\["media.hachyderm.io"\\] |

    - where they are gone for good, take their servers away, and leave them out of new certificates
    - where the address is the fleet's after all (a load balancer): certs audit --address ADDRESS

    #### media.hachyderm.io

    by R10, expired 10 hours ago, ecdsa-p256, SHA-256 leaf-2

    | Node | Holds | Where | Read by |
    | --- | --- | --- | --- |
    | sally | both (600) | /etc/letsencrypt/archive/media.hachyderm.io (version 2, live) | /etc/nginx/nginx.conf:1 |
    | esme | both (600) | /etc/letsencrypt/archive/media.hachyderm.io (version 2, live) | \\- |
    | esme | certificate | /tls/a\\|b.pem | /etc/nginx/nginx.conf:1 |
    | esme | key (644) | /tls/a.key | /etc/nginx/nginx.conf:1 |"
  `)
})
