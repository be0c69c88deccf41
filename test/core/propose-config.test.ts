import { expect, test } from 'vitest'
import { viewAll } from '../../src/core/audit.ts'
import type { NameFinding } from '../../src/core/audit-names.ts'
import type { Certificate } from '../../src/core/certificate.ts'
import type { Material } from '../../src/core/material.ts'
import type { Node } from '../../src/core/node.ts'
import { proposeConfig } from '../../src/core/propose-config.ts'
import { key, lineage, materialOf, pem, serverOf } from '../support/material.ts'
import { certificate, name } from '../support/observed.ts'

const fresh = { notBefore: '2026-11-01T00:00:00.000Z', notAfter: '2027-01-30T00:00:00.000Z' }
const configured: Certificate = { ...certificate, nodes: ['sally'] }
const node = (called: string, groups: readonly string[] = []) =>
  [called, { name: called, groups } as Node] as const

function propose(materials: readonly Material[], change: Partial<Parameters<typeof proposeConfig>[0]> = {}) {
  const certificates = [configured]
  return proposeConfig({
    views: viewAll(
      materials.map((material) => ({ node: material.node, material })),
      certificates,
    ),
    names: [],
    certificates: { [name]: configured },
    nodes: Object.fromEntries([node('sally', ['cdn']), node('esme', ['cdn']), node('fritz')]),
    dns: ['home'],
    unseen: [],
    configuration: './certs.config.ts',
    ...change,
  })
}

const sally = materialOf('sally', { servers: [serverOf(name, name)], files: lineage(name, [3], fresh) })

test('where all that is served is configured there is nothing to propose', () => {
  expect(propose([sally])).toMatchObject({ added: [], widened: [] })
})

test('adds what is served, under the name of its lineage, and asks for what has to be done first', () => {
  const www = lineage('www.example.com', [4], {
    ...fresh,
    names: ['gone.example.com', 'www.example.com'],
    keyType: 'rsa-2048',
  })
  const at = (one: string) =>
    materialOf(one, {
      servers: [serverOf('www.example.com gone.example.com', 'www.example.com')],
      files: www,
    })
  const copy = [pem('/tls/x.pem', 5, { ...fresh, names: ['*.x.example'] }), key('/tls/x.key', 5)]
  const fritz = materialOf('fritz', {
    servers: [serverOf('a.x.example', '/tls/x.pem', '/tls/x.key'), serverOf(name, name)],
    files: [...copy, ...lineage(name, [3], fresh)],
  })
  const gone: NameFinding = { name: 'gone.example.com', at: [], leads: 'nowhere', addresses: [] }
  const { text, added, widened } = propose([at('sally'), at('esme'), fritz], {
    names: [gone],
    dns: ['home', 'cf'],
    unseen: ['moritz'],
  })
  expect([added, widened]).toEqual([['www.example.com', 'wildcard.x.example'], [name]])
  expect(text).toMatchInlineSnapshot(`
    "import type { Config } from 'certs'
    import config from './certs.config.ts'

    // Proposed by certs audit. Try it: certs plan --config THIS_FILE. Then move the entries over.
    // Not looked at: moritz.
    export default {
      ...config,
      certificates: {
        ...config.certificates,
        'media.hachyderm.io': { ...config.certificates['media.hachyderm.io'], nodes: ['sally', 'fritz'] },
        // Without gone.example.com: it leads nowhere in DNS; where it is served, the first rollout wants --force for that
        'www.example.com': {
          dns: 'home', // or cf: who writes to its zone
          nodes: ['cdn'],
          key: 'rsa-2048',
        },
        // Let these servers read live/wildcard.x.example first, so that a rollout reaches them:
        //   fritz, /etc/nginx/nginx.conf:1
        'wildcard.x.example': {
          names: ['*.x.example'],
          dns: 'home', // or cf: who writes to its zone
          nodes: ['fritz'],
        },
      },
    } satisfies Config
    "
  `)
})

test('what a certificate says can not leave its string or its line', () => {
  const hostile = `x.example',\n}; process.exit() //\u2028"`
  const files = [pem('/a.pem', 5, { ...fresh, names: [hostile, 'ok.example'] }), key('/a.key', 5)]
  const { text } = propose([
    materialOf('esme', { servers: [serverOf('ok.example', '/a.pem', '/a.key')], files }),
  ])
  expect(text).toContain(`'ok.example': {`)
  for (const line of text.split(/[\n\u2028]/).filter((one) => one.includes('process')))
    expect(line.trim()).toMatch(/^\/\//)
})

test('a name that is taken gets a number, and without any dns entry one stands there to be filled in', () => {
  const files = [...lineage(name, [5], { ...fresh, names: ['new.example'] })]
  const { text, added } = propose([materialOf('esme', { servers: [serverOf('new.example', name)], files })], {
    dns: [],
  })
  expect(added).toEqual([`${name}-2`])
  expect(text).toContain(`names: ['new.example'],`)
  expect(text).toContain(`dns: { cloudflare: { provider: 'cloudflare'`)
})
