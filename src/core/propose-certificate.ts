import type { NameFinding } from './audit-names.ts'
import { servedNames } from './audit-served.ts'
import { covers } from './audit-view.ts'
import type { Holding, NodeView } from './audit-view.ts'
import { keyTypes } from './certificate.ts'
import type { Certificate } from './certificate.ts'
import { ConfigError } from './errors.ts'
import { normalizeName } from './identifier.ts'
import type { FoundCertificate } from './material.ts'
import type { Node } from './node.ts'

export interface ProposalInput {
  readonly views: readonly NodeView[]
  readonly names: readonly NameFinding[]
  readonly certificates: Readonly<Record<string, Certificate>>
  readonly nodes: Readonly<Record<string, Node>>
  /** Entries of the configuration's `dns`. */
  readonly dns: readonly string[]
  /** Nodes that could not be looked at. */
  readonly unseen: readonly string[]
  /** How the proposal imports the configuration that it adds to: `./certs.config.ts`. */
  readonly configuration: string
}

export interface ServedLeaf {
  readonly leaf: FoundCertificate
  readonly lineage: string | undefined
  readonly nodes: readonly string[]
  /** Servers that read something else than what a rollout switches. */
  readonly elsewhere: readonly string[]
}

/** What servers of nginx serve for names that no configured certificate covers; the same names once. */
export function collectServed({ views, certificates }: ProposalInput): ServedLeaf[] {
  const all = views.flatMap((view) =>
    view.holdings.flatMap((holding) => {
      const { certificate: leaf, servers } = holding
      if (!leaf || servers.length === 0) return []
      const names = servedNames(servers, leaf)
      const covered = names.some((name) => Object.values(certificates).some((one) => covers(one.names, name)))
      return names.length === 0 || covered ? [] : [{ view, holding, leaf }]
    }),
  )
  const groups = Map.groupBy(all, ({ leaf }) =>
    leaf.names.length > 0 ? leaf.names.join(' ') : leaf.fingerprint,
  )
  return [...groups.values()].map((same) => {
    const newest = same.toSorted((a, b) => (a.leaf.notAfter < b.leaf.notAfter ? 1 : -1))[0]!
    const lineages = new Set(same.map(({ holding }) => holding.lineage?.name))
    const lineage = lineages.size === 1 ? [...lineages][0] : undefined
    const elsewhere = same.flatMap(({ view, holding }) => copiesRead(view, holding))
    return { leaf: newest.leaf, lineage, nodes: [...new Set(same.map(({ view }) => view.node))], elsewhere }
  })
}

function copiesRead({ node, material }: NodeView, { servers }: Holding): string[] {
  return servers.flatMap(({ file, line, certificates }) =>
    certificates.some(({ path }) => path.startsWith(`${material.root}/live/`))
      ? []
      : [`${node}, ${file}:${line}`],
  )
}

/** Its entry, or why there is none. `taken` are the names in use, its own added. */
export function proposeNew(
  served: ServedLeaf,
  taken: Set<string>,
  input: ProposalInput,
): { name?: string; text: string[] } {
  const { leaf, lineage, nodes, elsewhere } = served
  const judged = leaf.names.map((name) => ({ name, because: whyNot(name, input.names) }))
  const names = judged.flatMap(({ name, because }) => (because === undefined ? [normalizeName(name)] : []))
  const without = judged.flatMap(({ name, because }) =>
    because === undefined ? [] : [`${name}: ${because}`],
  )
  const [first] = names
  if (first === undefined) {
    const what =
      without.length > 0
        ? without.join('; ')
        : `a certificate by ${leaf.issuer} on ${nodes.join(', ')} has no DNS name`
    return { text: [comment(`Left out: ${what}`)] }
  }
  const name = chooseName([lineage ?? '', first], taken)
  const key = (keyTypes as readonly string[]).includes(leaf.keyType) ? leaf.keyType : undefined
  const lines = [
    ...(names.length === 1 && first === name ? [] : [`names: [${names.map(quote).join(', ')}],`]),
    ...chooseDns(input.dns),
    `nodes: [${sayNodes(nodes, input).map(quote).join(', ')}],`,
    ...(key === undefined || key === 'ecdsa-p256' ? [] : [`key: ${quote(key)},`]),
  ]
  return {
    name,
    text: [
      ...without.map((one) =>
        comment(`Without ${one}; where it is served, the first rollout wants --force for that`),
      ),
      ...askFirst(name, elsewhere),
      `    ${quote(name)}: {`,
      ...lines.map((line) => `      ${line}`),
      '    },',
    ],
  }
}

/** What a person has to do on these nodes before the entry can do any good. */
export function askFirst(name: string, places: readonly string[]): string[] {
  if (places.length === 0) return []
  const what = `Let these servers read live/${name} first, so that a rollout reaches them:`
  return [comment(what), ...places.map((place) => comment(`  ${place}`))]
}

/** Why a name is not to be in a new certificate. */
function whyNot(name: string, looks: readonly NameFinding[]): string | undefined {
  const look = looks.find((one) => one.name === name)
  if (look?.leads === 'nowhere') return 'it leads nowhere in DNS'
  if (look?.leads === 'elsewhere') return `it leads to ${look.addresses.join(', ')}`
  if (!name.includes('.')) return 'no public CA issues for it'
  try {
    normalizeName(name)
    return undefined
  } catch (error) {
    if (error instanceof ConfigError) return 'it is no name that a CA takes'
    throw error
  }
}

/** A folder's name on every node, and free; the lineage's where there is one, so that live stays where it is. */
function chooseName(wishes: readonly string[], taken: Set<string>): string {
  const wish =
    wishes.find((one) => /^[a-z0-9_][a-z0-9._-]{0,240}$/.test(one) && !one.includes('..')) ??
    wishes.at(-1)!.replace(/^\*\./, 'wildcard.')
  let [name, number] = [wish, 1]
  while (taken.has(name)) name = `${wish}-${++number}`
  taken.add(name)
  return name
}

function chooseDns(dns: readonly string[]): string[] {
  const [first, ...more] = dns
  return first === undefined || more.length === 0
    ? []
    : [`dns: ${quote(first)}, // or ${more.join(', ')}: who writes to its zone`]
}

/** A group's name where it holds just these nodes. */
function sayNodes(wanted: readonly string[], { nodes }: ProposalInput): string[] {
  const groups = new Set(Object.values(nodes).flatMap((node) => node.groups))
  const members = (group: string) => Object.values(nodes).filter((node) => node.groups.includes(group))
  const exact = [...groups].find((group) => {
    const names = members(group).map(({ name }) => name)
    return names.length === wanted.length && names.every((name) => wanted.includes(name))
  })
  return exact !== undefined && wanted.length > 1 ? [exact] : [...wanted]
}

function comment(text: string): string {
  return `    // ${text.replaceAll(/\s/g, ' ')}`
}

/** What a node said stands in a file that is run as code: JSON's strings can end neither string nor line. */
export function quote(text: string): string {
  const json = JSON.stringify(text)
  return /^"[\w.*@/-]*"$/.test(json) ? `'${json.slice(1, -1)}'` : json
}
