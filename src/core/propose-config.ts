import { sayPlace } from './audit-finding.ts'
import { covers } from './audit-view.ts'
import type { Certificate } from './certificate.ts'
import { askFirst, collectServed, proposeNew, quote } from './propose-certificate.ts'
import type { ProposalInput } from './propose-certificate.ts'

export interface Proposal {
  readonly text: string
  /** Names of certificates that are new. */
  readonly added: readonly string[]
  /** Configured certificates that get more nodes. */
  readonly widened: readonly string[]
}

/**
 * A configuration that imports the present one and adds what is served but not in it. So it holds no secret, and its
 * entries can be moved over one by one.
 */
export function proposeConfig(input: ProposalInput): Proposal {
  const served = collectServed(input)
  const taken = new Set(Object.keys(input.certificates))
  const fresh = served.map((one) => proposeNew(one, taken, input))
  const wider = Object.values(input.certificates).flatMap((certificate) => proposeNodes(certificate, input))
  const entries = [...wider.map(({ text }) => text), ...fresh.map(({ text }) => text)]
  const added = fresh.flatMap(({ name }) => name ?? [])
  const withDns = added.length > 0 && input.dns.length === 0
  const text = [
    `import type { Config } from 'certs'`,
    `import config from ${quote(input.configuration)}`,
    '',
    '// Proposed by certs audit. Try it: certs plan --config THIS_FILE. Then move the entries over.',
    ...(input.unseen.length === 0 ? [] : [`// Not looked at: ${input.unseen.join(', ')}.`]),
    'export default {',
    '  ...config,',
    ...(withDns ? missingDns : []),
    '  certificates: {',
    '    ...config.certificates,',
    ...entries.flat(),
    '  },',
    '} satisfies Config',
    '',
  ].join('\n')
  return { text, added, widened: wider.map(({ name }) => name) }
}

const missingDns = [
  '  // Who can write TXT records into the zones; certs providers lists them.',
  `  dns: { cloudflare: { provider: 'cloudflare', apiToken: { env: 'CLOUDFLARE_API_TOKEN' } } },`,
]

/** Nodes that serve a configured certificate's names and are not among its own. */
function proposeNodes(
  certificate: Certificate,
  { views }: ProposalInput,
): { name: string; text: string[] }[] {
  const { name, names } = certificate
  const more = views.flatMap(({ node, use, material }) => {
    const servers = use.servers.filter((server) => server.names.some((one) => covers(names, one)))
    if (servers.length === 0 || certificate.nodes.includes(node)) return []
    const wanted = `${material.root}/live/${name}/fullchain.pem`
    const elsewhere = servers.filter(({ certificates }) => certificates.every(({ path }) => path !== wanted))
    return [{ node, elsewhere }]
  })
  if (more.length === 0) return []
  const places = more.flatMap(({ node, elsewhere }) => elsewhere.map((at) => `${node}, ${sayPlace(at)}`))
  const nodes = [...certificate.nodes, ...more.map(({ node }) => node)].map(quote).join(', ')
  return [
    {
      name,
      text: [
        ...askFirst(name, places),
        `    ${quote(name)}: { ...config.certificates[${quote(name)}], nodes: [${nodes}] },`,
      ],
    },
  ]
}
