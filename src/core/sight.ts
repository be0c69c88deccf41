import { fileKinds, sha256 } from './certificate.ts'
import type { Certificate, Leaf } from './certificate.ts'
import type { Lineage, Node, Served, ServiceState } from './node.ts'
import type { CertificateObservation, NodeObservation, Observed } from './observed.ts'
import { judgeWithdrawal } from './withdrawal.ts'
import type { RolloutSettings } from './waves.ts'

/** One line for each thing: what it is called to a person, and how it is. Never a secret. */
export type Facts = Readonly<Record<string, string>>

/** What a plan was made of, as far as another sight of it could lead to another run. */
export interface Sight {
  readonly configuration: Facts
  readonly seen: Facts
}

/** Of a CA, in the order in which they are tried, what decides how a certificate comes about; never a secret. */
export interface CaChoice {
  /** Where it stands in the configuration: `acme`. */
  readonly place: string
  readonly directory: string
  readonly profile: string | undefined
  readonly preferredChain: string | undefined
}

export interface SightInput {
  readonly certificates: readonly Certificate[]
  readonly nodes: Readonly<Record<string, Node>>
  readonly rollout: RolloutSettings
  readonly cas: readonly CaChoice[]
  readonly observed: Observed
}

/** Puts into words what was configured and what was seen; the same world gives the same words at any time of day. */
export function describeSight({ certificates, nodes, rollout, cas, observed }: SightInput): Sight {
  const used = [...new Set(certificates.flatMap((certificate) => certificate.nodes))]
  const configuration = [
    ...cas.flatMap(({ place, directory, profile, preferredChain }) =>
      flatten(place, { directory, profile, preferredChain }),
    ),
    ...flatten('rollout', rollout),
    ...certificates.flatMap(({ name, ...rest }) => flatten(`certificates["${name}"]`, rest)),
    ...used.flatMap((name) => flatten(`nodes["${name}"]`, reachOf(nodes[name]))),
  ]
  const seen = [
    ...certificates.flatMap(({ name }) => describeStored(name, observed.certificates[name])),
    ...Object.entries(observed.nodes).flatMap(([name, node]) => describeNode(name, node)),
  ]
  return { configuration: Object.fromEntries(configuration), seen: Object.fromEntries(seen) }
}

/** How a node is reached and changed; the groups it was chosen by make no difference any more. */
function reachOf(node: Node | undefined): object {
  const { name: _, groups: __, ...reach } = node ?? {}
  return reach
}

type Fact = readonly [thing: string, is: string]

/** `nodes["sally"].ssh.port` → `22`; texts as they are, lists and numbers as JSON. */
function flatten(path: string, value: object): Fact[] {
  return Object.entries(value).flatMap(([key, one]: [string, unknown]): Fact[] => {
    if (one === undefined) return []
    const nested = typeof one === 'object' && one !== null && !Array.isArray(one)
    if (nested) return flatten(`${path}.${key}`, one)
    return [[`${path}.${key}`, typeof one === 'string' ? one : JSON.stringify(one)]]
  })
}

function describeStored(name: string, facts: CertificateObservation | undefined): Fact[] {
  if (!facts) return []
  if (facts.fault) return [[`${name}: the store`, facts.fault.message]]
  const newest = facts.versions.at(-1)
  const versions = facts.versions.map(({ number, leaf }) => `${number} (${sayLeaf(leaf)})`)
  const held = Object.entries(facts.hold?.nodes ?? {}).map(([node, number]) => `${number} from ${node}`)
  return [
    [`${name}: the newest stored version`, versions.at(-1) ?? 'none'],
    [`${name}: the highest number in the store`, `${facts.highest}`],
    [`${name}: the order under way`, facts.underway ? `for version ${facts.underway.number}` : 'none'],
    [`${name}: versions held back`, held.join(', ') || 'none'],
    [`${name}: failed attempts`, `${facts.attempts?.failures ?? 0}`],
    [`${name}: replacement`, judgeWithdrawal(newest, facts.withdrawal) ?? 'not asked for'],
  ]
}

function describeNode(node: string, { inspection, served }: NodeObservation): Fact[] {
  const outside = Object.values(served).flatMap((answers) => answers.map((one) => describeServed(node, one)))
  if (!inspection) return [[`${node}: over SSH`, 'not reached'], ...outside]
  const { services, certbot, disk, elsewhere, lineages } = inspection
  return [
    [`${node}: over SSH`, 'reached'],
    ...Object.entries(services).map(([name, state]): Fact => [`${node}: ${name}`, sayService(state)]),
    [`${node}: the certificate folder`, disk.writable ? 'writable' : 'not writable'],
    [`${node}: certbot`, certbot.timer || certbot.cron ? 'active' : 'not active'],
    ...elsewhere.map(({ path, leadsTo, sha256: sum }): Fact => {
      return [`${node}: ${path}, which nginx reads`, `leads to ${leadsTo} (${digest(sum)})`]
    }),
    ...Object.values(lineages).flatMap((lineage) => describeLineage(node, lineage)),
    ...outside,
  ]
}

function sayService({ installed, running, test }: ServiceState): string {
  if (!installed) return 'not installed'
  return `${running ? 'running' : 'stopped'}, ${test.command} ${test.ok ? 'passes' : 'fails'}`
}

function describeLineage(node: string, lineage: Lineage): Fact[] {
  const { certificate, archive } = lineage
  const numbers = [...new Set(archive.map(({ number }) => number))].toSorted((a, b) => a - b)
  const files = archive.map(({ kind, number, sha256: sum }) => `${kind}${number} ${sum}`).toSorted()
  const held = numbers.length === 0 ? 'empty' : `versions ${numbers.join(', ')} (${digest(files.join('\n'))})`
  const folders = lineage.folders.map(({ path, is, mode, owner }): Fact => {
    return [`${node}: the folder ${path}`, `a ${is}, ${mode} ${owner}`]
  })
  return [
    ...folders,
    [`${node}: live/${certificate}`, sayLive(lineage)],
    [`${node}: archive/${certificate}`, held],
  ]
}

function sayLive({ live, liveDirectory, pair }: Lineage): string {
  if (liveDirectory !== 'directory') return liveDirectory === 'missing' ? 'missing' : `a ${liveDirectory}`
  const entries = fileKinds.map((kind) => live[kind])
  const links = entries.map((entry) => (entry.is === 'link' ? entry.number : undefined))
  const alike = links.every((number) => number !== undefined && number === links[0])
  const all = [...entries, live.combined ?? []].flat()
  const what = alike ? `version ${links[0]}` : `mixed: ${entries.map(sayEntry).join(', ')}`
  const differs = pair === 'differs' ? ', key and leaf do not belong together' : ''
  return `${what} (${digest(JSON.stringify(all))})${differs}`
}

function sayEntry(entry: Lineage['live']['cert']): string {
  return entry.is === 'link' ? (entry.number === undefined ? 'another link' : `${entry.number}`) : entry.is
}

function describeServed(node: string, { endpoint, name, leaf, chain = [] }: Served): Fact {
  const { address, port } = endpoint
  const at = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  const after = chain.length === 0 ? '' : `, chain ${digest(chain.join(' '))}`
  return [`${node}: what ${at} serves for ${name}`, leaf ? `${sayLeaf(leaf)}${after}` : 'no certificate']
}

function sayLeaf({ fingerprint, notAfter }: Leaf): string {
  return `leaf ${fingerprint.slice(0, 16)}, until ${notAfter.slice(0, 16).replace('T', ' ')} UTC`
}

function digest(text: string): string {
  return sha256(text).slice(0, 16)
}
