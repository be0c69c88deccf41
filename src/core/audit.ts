import { gather, sayPlace } from './audit-finding.ts'
import type { Finding, NodeFinding } from './audit-finding.ts'
import { judgeLeftovers } from './audit-leftovers.ts'
import type { NameFinding } from './audit-names.ts'
import { judgeServed } from './audit-served.ts'
import { covers, viewNode } from './audit-view.ts'
import type { Holding, NodeView } from './audit-view.ts'
import type { Certificate, Leaf } from './certificate.ts'
import type { ErrorFacts } from './errors.ts'
import type { Material } from './material.ts'

/** What one node showed, or why it showed nothing. */
export type AuditedNode =
  | { readonly node: string; readonly material: Material }
  | { readonly node: string; readonly error: ErrorFacts }

/** Everything that was found, as plain data; its JSON is the command's. */
export interface Audit {
  /** ISO 8601 UTC. */
  readonly at: string
  readonly nodes: readonly NodeSummary[]
  readonly certificates: readonly FoundEverywhere[]
  /** Most urgent first. */
  readonly findings: readonly Finding[]
  readonly names: readonly NameFinding[]
}

export interface NodeSummary {
  readonly node: string
  readonly system?: string
  /** Servers of nginx that speak TLS. */
  readonly servers?: number
  /** Paths with certificates or keys. */
  readonly files?: number
  readonly renewers?: Material['renewers']
  readonly error?: ErrorFacts
}

/** One certificate and every place where it or its key is. */
export interface FoundEverywhere extends Leaf {
  /** The configured certificate that it is a version of. */
  readonly configured?: string
  readonly places: readonly FoundPlace[]
}

export interface FoundPlace {
  readonly node: string
  readonly label: string
  readonly links: readonly string[]
  readonly live: boolean
  readonly holds: 'certificate' | 'key' | 'both'
  /** Of the key there, octal. */
  readonly keyMode?: string
  readonly readBy: readonly string[]
}

export function viewAll(nodes: readonly AuditedNode[], certificates: readonly Certificate[]): NodeView[] {
  return nodes.flatMap((one) => ('material' in one ? [viewNode(one.material, certificates)] : []))
}

export interface AuditInput {
  readonly now: Date
  readonly certificates: readonly Certificate[]
  readonly nodes: readonly AuditedNode[]
  readonly views: readonly NodeView[]
  readonly names: readonly NameFinding[]
}

/** Judges what every node showed: which certificate and key is where, who reads it, and what is to be done. */
export function makeAudit({ now, certificates, nodes, views, names }: AuditInput): Audit {
  const found: NodeFinding[] = [
    ...nodes.flatMap(unseen),
    ...views.flatMap((view) => [
      ...judgeServed(view, { now, certificates }),
      ...judgeLeftovers(view, { views, now }),
    ]),
  ]
  return {
    at: now.toISOString(),
    nodes: nodes.map((node) =>
      summarize(
        node,
        views.find((view) => view.node === node.node),
      ),
    ),
    certificates: collect(views, certificates),
    findings: gather(found),
    names,
  }
}

/** Something needs a person: exit code 1. */
export function needsPerson({ findings }: Audit): boolean {
  return findings.some(({ level }) => level === 'wrong')
}

/** What could not be looked at, and so is not said to be right. */
function unseen(audited: AuditedNode): NodeFinding[] {
  const base = { kind: 'unseen', level: 'wrong', node: audited.node, commands: [] } as const
  if ('error' in audited) {
    const { message, hints } = audited.error
    return [{ ...base, message: 'a node could not be looked at', what: [message], hints }]
  }
  const { nginx, lacking } = audited.material
  const notes: NodeFinding[] = []
  if (lacking !== undefined) {
    notes.push({ ...base, message: 'not all files could be looked at', what: [lacking], hints: [] })
  }
  if (!nginx.configured) {
    notes.push({
      ...base,
      level: 'tidy',
      message: 'nginx is no service of the node, so who reads the files is known in part only',
      what: [
        'files count as read that the configuration of haproxy, apache, postfix, dovecot or caddy names',
      ],
      hints: [],
    })
  } else if (!nginx.installed) {
    notes.push({
      ...base,
      level: 'tidy',
      message: 'there is no nginx, so who reads the files is not known',
      what: ['nginx is not installed'],
      hints: [],
    })
  } else if (!nginx.test.ok) {
    const what = nginx.test.output
      .split('\n')
      .filter((line) => line.includes('[emerg]'))
      .slice(0, 1)
    const hints = ['mend its configuration, then audit again']
    notes.push({
      ...base,
      message: 'nginx -t fails, so who reads the files is not known',
      what: what.length > 0 ? what : ['nginx -t'],
      hints,
    })
  } else if (nginx.configuration.length === 0) {
    notes.push({
      ...base,
      message: 'nginx did not print its configuration, so who reads the files is not known',
      what: ['the configured nginx.test is no nginx -t'],
      hints: [],
    })
  }
  return notes
}

function summarize(audited: AuditedNode, view: NodeView | undefined): NodeSummary {
  if ('error' in audited || !view)
    return { node: audited.node, ...('error' in audited ? { error: audited.error } : {}) }
  const { system, files, renewers } = audited.material
  return { node: audited.node, system, servers: view.use.servers.length, files: files.length, renewers }
}

function collect(views: readonly NodeView[], certificates: readonly Certificate[]): FoundEverywhere[] {
  const held = views.flatMap(({ node, holdings }) => holdings.map((holding) => ({ node, holding })))
  const leaves = new Map(
    held.flatMap(({ holding: { certificate } }) =>
      certificate ? [[certificate.fingerprint, certificate] as const] : [],
    ),
  )
  const found = [...leaves.values()].map((certificate): FoundEverywhere => {
    const { authority: _, selfSigned: __, ...leaf } = certificate
    const places = held.flatMap(({ node, holding }) => placeOf(node, holding, leaf))
    const configured = certificates.find(
      (one) => leaf.names.length > 0 && leaf.names.every((name) => covers(one.names, name)),
    )
    return { ...leaf, ...(configured ? { configured: configured.name } : {}), places }
  })
  return found.toSorted((one, other) => used(other) - used(one) || (sortKey(one) < sortKey(other) ? -1 : 1))
}

function used({ places }: FoundEverywhere): number {
  return Number(places.some(({ readBy }) => readBy.length > 0))
}

function sortKey({ names, notAfter }: FoundEverywhere): string {
  return `${names[0] ?? '~'} ${notAfter}`
}

function placeOf(node: string, holding: Holding, leaf: Leaf): FoundPlace[] {
  const certificate = holding.certificate?.fingerprint === leaf.fingerprint
  const key = holding.keys.some(({ spki }) => spki === leaf.spki)
  if (!certificate && !key) return []
  const keyMode = key ? holding.files.find((file) => file.key)?.mode : undefined
  return [
    {
      node,
      label: holding.label,
      links: holding.links,
      live: holding.lineage?.live ?? false,
      holds: certificate && key ? 'both' : key ? 'key' : 'certificate',
      ...(keyMode === undefined ? {} : { keyMode }),
      readBy: holding.readers.map(sayPlace),
    },
  ]
}
