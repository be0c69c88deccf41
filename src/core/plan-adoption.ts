import type { Adoption, AdoptionStep, RenewalFile, Renewals, Unadopted } from './adoption.ts'
import { isOrderable, lineageOf } from './adoption.ts'
import { shellWord } from './audit-finding.ts'
import { covers } from './audit-view.ts'
import type { NodeView } from './audit-view.ts'
import type { Certificate, Leaf } from './certificate.ts'
import type { MaterialFile } from './material.ts'
import { judgeRenewal } from './renewal.ts'

export interface AdoptionInput {
  readonly view: NodeView
  readonly renewals: Renewals
  /** All that are configured, for whichever nodes. */
  readonly certificates: readonly Certificate[]
  /** Leaves of the stored versions, the newest last, by the certificate's name. */
  readonly stored: ReadonlyMap<string, readonly Leaf[]>
  /** Configurations of other services, scripts and processes that name a lineage of another name than ours. */
  readonly named: ReadonlyMap<string, readonly string[]>
  readonly now: Date
  /** Leave certbot's timer on, whatever is left for it. */
  readonly keepTimer: boolean
}

/**
 * Which of certbot's renewals certs takes over: of those lineages whose readers get a version of ours already. What
 * nobody else would renew stays on.
 */
export function planAdoption(input: AdoptionInput): Adoption {
  const { view, renewals, keepTimer } = input
  const judged = renewals.held.map((held) => judgeLineage(held, input))
  const left = judged.filter((one) => 'hints' in one)
  const idle = left.length === 0
  const stops = renewals.units.flatMap(({ unit, on }): AdoptionStep[] =>
    on && idle && !keepTimer
      ? [{ kind: 'stop', unit, because: 'no lineage is left that certbot must renew' }]
      : [],
  )
  return {
    node: view.node,
    root: view.material.root,
    steps: [...judged.filter((one) => 'kind' in one), ...stops],
    left,
    cron: idle ? renewals.cron : [],
  }
}

function judgeLineage(held: RenewalFile, input: AdoptionInput): AdoptionStep | Unadopted {
  const { view, stored, named, now } = input
  const lineage = lineageOf(held.file)
  const leave = (because: string, ...hints: string[]): Unadopted => ({ file: held.file, because, hints })
  if (!isOrderable(held.file)) return leave('no certificate can have such a name')
  const leaf = leafOf(view, lineage)
  const certificate = certificateFor(lineage, leaf, input)
  if (!certificate) {
    const because = 'certs does not manage it, so it would expire'
    return leave(because, 'certs audit --write-config FILE proposes an entry for what is served')
  }
  const { name, nodes } = certificate
  const rollout = `certs rollout ${shellWord(name)}`
  if (!nodes.includes(view.node)) {
    return leave(
      `certificates["${name}"].nodes leaves the node out`,
      `add ${view.node} there, then: ${rollout}`,
    )
  }
  const versions = stored.get(name) ?? []
  const newest = versions.at(-1)
  const isOurs = (one: Leaf | undefined) =>
    versions.some(({ fingerprint }) => fingerprint === one?.fingerprint)
  if (!newest) return leave(`certs has no version of ${name} stored yet`, rollout)
  if (!isOurs(leafOf(view, name))) return leave(`live/${name} is no version that certs stored`, rollout)
  const lacking = leaf?.names.filter((one) => !covers(certificate.names, one)) ?? []
  if (lacking.length > 0) {
    return leave(
      `it is for ${lacking.join(', ')} too, which certificates["${name}"].names lacks`,
      `add what is still needed there, then: ${rollout}`,
    )
  }
  if (lineage !== name && !isOurs(leaf)) {
    const read = judgeReaders(view, lineage)
    if (read) return leave(read, `${rollout} --adopt, or change what nginx reads; then run this again`)
    const [place, ...more] = named.get(lineage) ?? []
    if (place !== undefined) {
      const others = more.length === 0 ? 'names' : `and ${more.length} more name`
      return leave(
        `${place} ${others} it, and a rollout does not reach that`,
        `let it read live/${name} there`,
      )
    }
  }
  const renewal = judgeRenewal({ certificate, stored: newest, now, underway: false, forced: false })
  const next = renewal.due ? `the next certs renew does, because ${renewal.because}` : renewal.because
  return { kind: 'shelve', ...held, certificate: name, because: `certs renews ${name} from now on: ${next}` }
}

/** What readers of live/LINEAGE get. */
function leafOf({ fileOf, material: { root } }: NodeView, lineage: string): Leaf | undefined {
  const paths = ['fullchain', 'cert'].map((kind) => `${root}/live/${lineage}/${kind}.pem`)
  return paths.map((path) => fileOf(path)?.certificate).find((certificate) => certificate !== undefined)
}

/** By the lineage's name, as certbot numbers a second one of the same name (`NAME-0001`), or by the names covered. */
function certificateFor(
  lineage: string,
  leaf: Leaf | undefined,
  { certificates, view }: AdoptionInput,
): Certificate | undefined {
  const names = [lineage, lineage.replace(/-\d{4}$/, '')]
  const byName = names.flatMap((name) => certificates.find((one) => one.name === name) ?? [])[0]
  if (byName || !leaf || leaf.names.length === 0) return byName
  const covering = certificates.filter((one) => leaf.names.every((name) => covers(one.names, name)))
  return covering.find(({ nodes }) => nodes.includes(view.node)) ?? covering[0]
}

/** Why a lineage of another name than ours must still be renewed; undefined when nothing reads it. */
function judgeReaders({ readsKnown, holdings, material: { root } }: NodeView, lineage: string) {
  if (!readsKnown) return `nginx does not say what it reads, and a server may read live/${lineage}`
  const folders = [`${root}/live/${lineage}/`, `${root}/archive/${lineage}/`]
  const inside = ({ path }: MaterialFile) => folders.some((folder) => path.startsWith(folder))
  const read = holdings.some(({ files, readers }) => readers.length > 0 && files.some(inside))
  return read ? `nginx reads live/${lineage}, and a rollout does not reach that` : undefined
}

/** The way back: what was set aside is certbot's again, and its timer runs. */
export function planGivingBack(
  { node, root }: Pick<Adoption, 'node' | 'root'>,
  { held, shelved, units }: Renewals,
): Adoption {
  const order = (file: string) => Number(/\.off\.(\d+)$/.exec(file)?.[1] ?? 1)
  const newestFirst = shelved.toSorted((one, other) => order(other.file) - order(one.file))
  const judged = newestFirst.map((one, index): AdoptionStep | Unadopted => {
    const lineage = lineageOf(one.file)
    const taken = [...held, ...newestFirst.slice(0, index)].some(({ file }) => lineageOf(file) === lineage)
    if (taken) return { file: one.file, because: `a newer file for ${lineage} takes its place`, hints: [] }
    return { kind: 'unshelve', ...one, certificate: lineage, because: 'it was asked for' }
  })
  const steps = judged.filter((one) => 'kind' in one)
  const starts = units.flatMap(({ unit, on }): AdoptionStep[] =>
    on || steps.length === 0 ? [] : [{ kind: 'start', unit, because: 'certbot renews again' }],
  )
  return { node, root, steps: [...steps, ...starts], left: judged.filter((one) => 'hints' in one), cron: [] }
}
