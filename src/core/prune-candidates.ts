import { resolveLink } from './audit-served.ts'
import { findUnused, sayUsers } from './audit-unused.ts'
import type { Fleet, Unused } from './audit-unused.ts'
import type { NodeView } from './audit-view.ts'
import type { Leaf } from './certificate.ts'
import { findOldVersions } from './old-versions.ts'
import { isWanted } from './prune.ts'
import type { Candidate, PruneTarget, Staying } from './prune.ts'

export interface PruneWishes {
  /** So many versions of a lineage, the live one among them. */
  readonly keep: number
  /** Private keys that fit no certificate found, too. */
  readonly orphanKeys: boolean
  /** Only lineages of these names, and certificates for them; all when empty. */
  readonly names: readonly string[]
}

/** What certs has stored. */
export interface StoredLeaves {
  /** SHA-256 fingerprints of all versions. */
  readonly fingerprints: ReadonlySet<string>
  /** Of the newest of each certificate: fingerprint and SPKI. */
  readonly newest: readonly Pick<Leaf, 'fingerprint' | 'spki'>[]
}

export interface CandidateInput extends PruneWishes {
  readonly view: NodeView
  readonly fleet: Fleet
  readonly stored: StoredLeaves
}

export interface Candidates {
  readonly candidates: readonly Candidate[]
  readonly stays: readonly Staying[]
  readonly refused?: { readonly because: string; readonly hints: readonly string[] }
}

/** What an audit shows to be of no use on a node, and what looks so and is not. */
export function findCandidates(input: CandidateInput): Candidates {
  const refused = refuse(input.view)
  if (refused) return { candidates: [], stays: [], refused }
  const found = [
    ...findUnused(input.view, input.fleet).flatMap((unused) => judgeUnusedOnes(unused, input)),
    ...findOldVersions(input),
  ]
  return {
    candidates: found.filter((one) => 'target' in one),
    stays: found.filter((one): one is Staying => !('target' in one)),
  }
}

/** Where who reads what can't be known, nothing goes. */
function refuse({ node, material, use, readsKnown }: NodeView): Candidates['refused'] {
  const { nginx, lacking } = material
  const again = `certs prune --node ${node}`
  if (lacking !== undefined) return { because: `not all files could be looked at: ${lacking}`, hints: [] }
  if (!nginx.installed)
    return { because: 'there is no nginx, so who reads the files is not known', hints: [] }
  if (!nginx.test.ok) {
    const hints = [`mend its configuration on ${node}, then: ${again}`]
    return { because: 'nginx -t fails, so who reads the files is not known', hints }
  }
  const variable = use.files.find(({ path }) => path.includes('$'))
  if (variable) {
    const because = `${variable.file}:${variable.line} names a file by a variable, so any may be read`
    return { because, hints: ['certs audit says what is where'] }
  }
  if (readsKnown) return undefined
  return { because: 'nginx did not print its configuration, so who reads the files is not known', hints: [] }
}

function judgeUnusedOnes(unused: Unused, input: CandidateInput): (Candidate | Staying)[] {
  const { holdings, of, leaf, users } = unused
  const { view, fleet, stored, orphanKeys } = input
  const target = targetOf(unused, view)
  const lineage = target.is === 'lineage' ? target.name : undefined
  if (!isWanted(input.names, lineage, leaf)) return []
  const label = labelOf(target, view)
  const stay = (because: string, ...hints: string[]): Staying => ({ label, what: of, because, hints })
  if (lineage !== undefined) {
    if (view.configured.some(({ name }) => name === lineage)) {
      return [stay(`certs keeps ${lineage} here`, `certs rollout ${lineage}`)]
    }
    const inside = (path: string) => isInside(path, lineage, view)
    const read = view.use.files.find(({ path }) => pathsOf(view, path).some(inside))
    if (read) return [stay(`nginx reads ${read.path}`)]
    const partly = view.holdings.some(
      (holding) => !holdings.includes(holding) && holding.files.some(({ path }) => inside(path)),
    )
    if (partly && view.holdings.some(({ inUse, files }) => inUse && files.some(({ path }) => inside(path))))
      return [stay(`another part of ${lineage} is in use`)]
  }
  if (!leaf) {
    if (!orphanKeys)
      return [stay('what it is for is not known', 'certs prune --orphan-keys takes such keys, too')]
    return [{ kind: 'orphan-key', target, label, what: of, because: 'it was asked for', lost: true }]
  }
  const lost =
    Date.parse(leaf.notAfter) > fleet.now.getTime() &&
    !stored.fingerprints.has(leaf.fingerprint) &&
    users.length === 0
  const because = users.length === 0 ? 'nothing in nginx reads it' : sayUsers(users, view.node)
  return [{ kind: users.length === 0 ? 'orphan' : 'copy', target, label, what: of, because, lost }]
}

/** Files below live or archive go with their lineage; others by themselves, with the links to them. */
function targetOf({ holdings }: Unused, view: NodeView): PruneTarget {
  const [first] = holdings
  const { root } = view.material
  const name = first.lineage?.name ?? lineageAt(first.path, root)
  const paths = holdings.flatMap(({ files, links }) => [...files.map(({ path }) => path), ...links])
  if (name === undefined) return { is: 'files', paths }
  return { is: 'lineage', name, links: paths.filter((path) => !isInside(path, name, view)) }
}

function lineageAt(path: string, root: string): string | undefined {
  const below = ['live', 'archive'].find((folder) => path.startsWith(`${root}/${folder}/`))
  if (below === undefined) return undefined
  const [name, ...rest] = path.slice(root.length + below.length + 2).split('/')
  return rest.length > 0 ? name : undefined
}

/** A path that is read, and the links that it leads through. */
function pathsOf({ fileOf }: NodeView, path: string): string[] {
  const paths = [path]
  for (let target = fileOf(path)?.target; target !== undefined && paths.length < 9;) {
    const next = resolveLink(paths.at(-1)!, target)
    paths.push(next)
    target = fileOf(next)?.target
  }
  return paths
}

function isInside(path: string, lineage: string, { material: { root } }: NodeView): boolean {
  return path.startsWith(`${root}/live/${lineage}/`) || path.startsWith(`${root}/archive/${lineage}/`)
}

function labelOf(target: PruneTarget, { material: { root } }: NodeView): string {
  if (target.is === 'files') return target.paths.join(', ')
  if (target.is === 'version') return `${root}/archive/${target.name} (version ${target.number})`
  return `${root}/{live,archive}/${target.name}`
}
