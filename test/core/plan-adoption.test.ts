import { expect, test } from 'vitest'
import type { Renewals } from '../../src/core/adoption.ts'
import { viewNode } from '../../src/core/audit-view.ts'
import type { Certificate } from '../../src/core/certificate.ts'
import { plainPaint } from '../../src/core/paint.ts'
import { planAdoption, planGivingBack } from '../../src/core/plan-adoption.ts'
import { renderAdoption } from '../../src/core/render-adoption.ts'
import { lineage, materialOf, root, serverOf } from '../support/material.ts'
import { certificate, leafOf, name, now } from '../support/observed.ts'

const onSally: Certificate = { ...certificate, nodes: ['sally'] }
const held = (file: string) => ({ file: `${file}.conf`, sha256: 'aa' })
const none: Renewals = { held: [], shelved: [], units: [], cron: [] }
const timer = { unit: 'certbot.timer', on: true }
const fresh = { notBefore: '2026-11-23T11:00:00.000Z', notAfter: '2027-02-21T11:00:00.000Z' }

interface Given {
  readonly files?: ReturnType<typeof lineage>
  readonly servers?: readonly string[]
  readonly configured?: readonly Certificate[]
  readonly stored?: readonly number[]
  readonly keepTimer?: boolean
  readonly named?: Readonly<Record<string, readonly string[]>>
}

function plan(renewals: Partial<Renewals>, given: Given = {}) {
  const {
    files = lineage(name, [3], fresh),
    servers = [serverOf(name, name)],
    configured = [onSally],
  } = given
  return planAdoption({
    view: viewNode(materialOf('sally', { servers, files }), configured),
    renewals: { ...none, ...renewals },
    certificates: configured,
    stored: new Map([[name, (given.stored ?? [3]).map((number) => leafOf(number))]]),
    named: new Map(Object.entries(given.named ?? {})),
    now,
    keepTimer: given.keepTimer ?? false,
  })
}

/** `shelve FILE`, `stop UNIT`, `FILE stays: because`. */
function said(renewals: Partial<Renewals>, given: Given = {}): string[] {
  const { steps, left } = plan(renewals, given)
  return [
    ...steps.map((step) => `${step.kind} ${'unit' in step ? step.unit : step.file}`),
    ...left.map(({ file, because }) => `${file} stays: ${because}`),
  ]
}

const second = `${name}-0001`
const conf = `${name}.conf`
const secondConf = `${second}.conf`
const wide: Certificate = { ...onSally, names: [name, 'www.hachyderm.io'] }

test.each<[string, Partial<Renewals>, Given, string[]]>([
  ['ours, with our version live', { held: [held(name)] }, {}, [`shelve ${conf}`]],
  [
    'ours, and nothing else is certbot’s to renew',
    { held: [held(name)], units: [timer, { unit: 'snap.certbot.renew.timer', on: false }] },
    {},
    [`shelve ${conf}`, 'stop certbot.timer'],
  ],
  [
    'ours, and the timer shall stay',
    { held: [held(name)], units: [timer] },
    { keepTimer: true },
    [`shelve ${conf}`],
  ],
  ['no longer there, and the timer still runs', { units: [timer] }, {}, ['stop certbot.timer']],
  [
    'not ours, and the timer stays for it',
    { held: [held(name), held('old.example')], units: [timer] },
    {},
    [`shelve ${conf}`, 'old.example.conf stays: certs does not manage it, so it would expire'],
  ],
  [
    'ours, of which nothing is stored yet',
    { held: [held(name)], units: [timer] },
    { stored: [] },
    [`${conf} stays: certs has no version of ${name} stored yet`],
  ],
  [
    'ours, with certbot’s version live',
    { held: [held(name)] },
    { files: lineage(name, [4], fresh) },
    [`${conf} stays: live/${name} is no version that certs stored`],
  ],
  [
    'ours, and missing there',
    { held: [held(name)] },
    { files: [] },
    [`${conf} stays: live/${name} is no version that certs stored`],
  ],
  [
    'ours, but not for this node',
    { held: [held(name)] },
    { configured: [{ ...onSally, nodes: ['esme'] }] },
    [`${conf} stays: certificates["${name}"].nodes leaves the node out`],
  ],
  [
    'a second lineage of our name that nothing reads',
    { held: [held(second)] },
    { files: [...lineage(name, [3], fresh), ...lineage(second, [5], { ...fresh, names: [name] })] },
    [`shelve ${secondConf}`],
  ],
  [
    'a second lineage of our name that nginx reads',
    { held: [held(second)], units: [timer] },
    {
      files: [...lineage(name, [3], fresh), ...lineage(second, [5], { ...fresh, names: [name] })],
      servers: [serverOf(name, second)],
    },
    [`${secondConf} stays: nginx reads live/${second}, and a rollout does not reach that`],
  ],
  [
    'a second lineage of our name that another service reads',
    { held: [held(second)], units: [timer] },
    {
      files: [...lineage(name, [3], fresh), ...lineage(second, [5], { ...fresh, names: [name] })],
      named: { [second]: ['/etc/exim4/tls.conf:1', 'process exim4 (pid 7)'] },
    },
    [`${secondConf} stays: /etc/exim4/tls.conf:1 and 1 more name it, and a rollout does not reach that`],
  ],
  [
    'one of another name whose names are all ours',
    { held: [held('www')] },
    {
      configured: [wide],
      files: [
        ...lineage(name, [3], fresh),
        ...lineage('www', [5], { ...fresh, names: ['www.hachyderm.io'] }),
      ],
    },
    ['shelve www.conf'],
  ],
  [
    'a second lineage that is for a name which is not ours',
    { held: [held(second)] },
    {
      files: [
        ...lineage(name, [3], fresh),
        ...lineage(second, [5], { ...fresh, names: [name, 'x.example'] }),
      ],
    },
    [`${secondConf} stays: it is for x.example too, which certificates["${name}"].names lacks`],
  ],
  [
    'of a name that no order can say',
    { held: [held('it’s mine')], units: [timer] },
    {},
    ['it’s mine.conf stays: no certificate can have such a name'],
  ],
])('a lineage that is %s', (_, renewals, given, expected) => {
  expect(said(renewals, given)).toEqual(expected)
})

test('where nginx does not say what it reads, a second lineage stays on', () => {
  const files = [...lineage(name, [3], fresh), ...lineage(second, [5], { ...fresh, names: [name] })]
  const { left } = plan(
    { held: [held(second)] },
    { files, servers: ['listen 443 ssl; ssl_certificate $ssl_server_name.pem'] },
  )
  expect(left[0]?.because).toBe(`nginx does not say what it reads, and a server may read live/${second}`)
})

test('the plan says what, why, when certs renews, and the way back', () => {
  const adoption = plan({ held: [held(name)], units: [timer], cron: ['/etc/cron.d/certbot:5'] })
  expect(renderAdoption(adoption, plainPaint)).toMatchInlineSnapshot(`
    "sally
      ~ renewal/media.hachyderm.io.conf becomes media.hachyderm.io.conf.off, which certbot does not look at
          because certs renews media.hachyderm.io from now on: valid for 89 days, due from 2027-01-22 11:00 UTC
          the way back, on sally, as root: mv /etc/letsencrypt/renewal/media.hachyderm.io.conf.off /etc/letsencrypt/renewal/media.hachyderm.io.conf
      ~ systemctl disable --now certbot.timer
          because no lineage is left that certbot must renew
          the way back, on sally, as root: systemctl enable --now certbot.timer
      = /etc/cron.d/certbot:5 runs certbot, which has nothing left to renew; cron's files are not edited
          → on sally, as root: sed -i '5s/^/# /' /etc/cron.d/certbot

    sally: 2 changes."
  `)
  const partly = plan({ held: [held(name), held('old.example')], cron: ['/etc/cron.d/certbot:5'] })
  expect(renderAdoption(partly, plainPaint)).toMatchInlineSnapshot(`
    "sally
      ~ renewal/media.hachyderm.io.conf becomes media.hachyderm.io.conf.off, which certbot does not look at
          because certs renews media.hachyderm.io from now on: valid for 89 days, due from 2027-01-22 11:00 UTC
          the way back, on sally, as root: mv /etc/letsencrypt/renewal/media.hachyderm.io.conf.off /etc/letsencrypt/renewal/media.hachyderm.io.conf
      = renewal/old.example.conf stays as it is: certs does not manage it, so it would expire
          → certs audit --write-config FILE proposes an entry for what is served

    sally: 1 change; 1 renewal file as it is."
  `)
  expect(renderAdoption(plan({}), plainPaint)).toBe(
    "sally: nothing to do: there is no renewal of certbot's to change.",
  )
})

test('the way back takes the newest of what was set aside, and starts the timer', () => {
  const off = (file: string) => ({ file, sha256: 'bb' })
  const renewals = {
    ...none,
    held: [held('x.example')],
    shelved: [off('x.example.conf.off'), off(`${conf}.off`), off(`${conf}.off.10`), off(`${conf}.off.9`)],
    units: [{ unit: 'certbot.timer', on: false }],
  }
  const { steps, left } = planGivingBack({ node: 'sally', root }, renewals)
  expect(steps).toMatchObject([
    { kind: 'unshelve', file: `${conf}.off.10`, certificate: name },
    { kind: 'start', unit: 'certbot.timer' },
  ])
  expect(left.map(({ file }) => file).toSorted()).toEqual(
    [`${conf}.off`, `${conf}.off.9`, 'x.example.conf.off'].toSorted(),
  )
  expect(planGivingBack({ node: 'sally', root }, { ...renewals, shelved: [] }).steps).toEqual([])
})
