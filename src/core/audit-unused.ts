import { sayNames, shellWord } from './audit-finding.ts'
import type { NodeFinding } from './audit-finding.ts'
import type { Holding, NodeView } from './audit-view.ts'
import { sayCount } from './count.ts'
import { sayValidity } from './duration.ts'
import type { FoundCertificate } from './material.ts'

export interface Fleet {
  readonly views: readonly NodeView[]
  readonly now: Date
}

/** What lies together and nothing that was seen reads: the versions of a lineage, or files side by side. */
export interface Unused {
  readonly holdings: readonly [Holding, ...Holding[]]
  /** `certificate and key of www.example.com, expired 110 days ago`. */
  readonly of: string
  /** Of its certificate, or of the one that its key belongs to. */
  readonly leaf: FoundCertificate | undefined
  /** Nodes on which certificate or key is in use by another path. */
  readonly users: readonly string[]
}

export function findUnused(view: NodeView, fleet: Fleet): Unused[] {
  const groups = [...Map.groupBy(view.holdings, (holding) => groupOf(holding, fleet)).values()]
  return groups.flatMap((group): Unused[] => {
    const certified = group.flatMap(({ certificate }) => certificate ?? [])
    const keyed = group.some(({ keys }) => keys.length > 0)
    // A list of CAs alone is nobody's certificate.
    if (group.some(({ inUse }) => inUse) || (certified.length === 0 && !keyed)) return []
    const leaf =
      certified.toSorted((a, b) => (a.notAfter < b.notAfter ? 1 : -1))[0] ?? holderOf(group[0]!, fleet)
    const of = sayKept(
      { keyed, certified: certified.length > 0 },
      leaf && `${sayNames(leaf)}, ${sayValidity(leaf.notAfter, fleet.now)}`,
    )
    const users = leaf ? usersOf(leaf.spki, fleet) : []
    return [{ holdings: group as [Holding, ...Holding[]], of, leaf, users }]
  })
}

/** Whole lineages and files that nothing that was seen reads: needed elsewhere, or by nobody. */
export function judgeUnused(view: NodeView, fleet: Fleet): NodeFinding[] {
  return findUnused(view, fleet).map(({ holdings, of, users }): NodeFinding => {
    const { node } = view
    const [{ lineage, path }] = holdings
    const what = lineage
      ? [`${path} (${sayCount(holdings.length, 'version')})`]
      : holdings.map(({ label }) => label)
    const base = {
      level: 'tidy',
      node,
      what,
      hints: [
        'see that nothing else reads it, and take it away: certs prune looks for that, and keeps a backup',
      ],
      commands: holdings.slice(0, lineage ? 1 : undefined).map(lookFor),
    } as const
    if (users.length === 0) return { ...base, kind: 'orphan', message: `nothing that was seen reads ${of}` }
    return { ...base, kind: 'copy', message: `${of}: ${sayUsers(users, node)}` }
  })
}

export function sayUsers(users: readonly string[], node: string): string {
  if (users.includes(node)) return 'a copy, and nginx reads another'
  return `only ${users.join(', ')} ${users.length === 1 ? 'reads' : 'read'} it`
}

/** The versions of a lineage; of other files, certificate and key that lie side by side. */
function groupOf(holding: Holding, fleet: Fleet): string {
  const { lineage, path, certificate } = holding
  if (lineage) return path
  // A copy that is read keeps no other from being found.
  if (holding.inUse) return `in use: ${path}`
  const leaf = certificate ?? holderOf(holding, fleet)
  return leaf ? `${path.replace(/[^/]*$/, '')} ${leaf.spki}` : path
}

function sayKept(
  holds: { readonly keyed: boolean; readonly certified: boolean },
  of: string | undefined,
): string {
  if (of === undefined) return 'a private key that fits no certificate found'
  if (holds.keyed && holds.certified) return `certificate and key of ${of}`
  return holds.keyed ? `the key of ${of}` : `the certificate of ${of}`
}

/** The certificate of a key that lies alone, wherever it was found. */
function holderOf({ keys }: Holding, { views }: Fleet) {
  const spki = keys.flatMap((key) => key.spki ?? [])
  return views
    .flatMap(({ holdings }) => holdings.flatMap(({ certificate }) => certificate ?? []))
    .find((one) => spki.includes(one.spki))
}

/** Nodes on which certificate or key is in use. */
function usersOf(wanted: string, { views }: Fleet): string[] {
  const uses = ({ inUse, certificate, keys }: Holding) =>
    inUse && (certificate?.spki === wanted || keys.some(({ spki }) => spki === wanted))
  return views.filter(({ holdings }) => holdings.some(uses)).map(({ node }) => node)
}

/** Another service may read it: nginx is not the only one. */
function lookFor({ lineage, path }: Holding): string {
  const named = lineage ? path.replace(/\/archive\/([^/]+)$/, '/live/$1/') : path
  return `grep -rsl -e ${shellWord(named)} /etc /usr/local/etc`
}
