import {
  archiveKinds,
  combinedOf,
  fileKinds,
  filesOf,
  sha256,
  type ArchiveKind,
  type Version,
} from '../src/core/certificate.ts'
import { NodeError } from '../src/core/errors.ts'
import type { InstallStep } from '../src/core/event.ts'
import type { LayoutAdoption, Placed } from '../src/core/layout-adoption.ts'
import type { Lineage, Node } from '../src/core/node.ts'
import { printableLine } from '../src/core/printable.ts'
import { servicesFor, wantsCombined } from '../src/core/serving.ts'
import { decode, encode, newToken, progress, type Answer, type Input } from './node/frame.ts'
import { readLineages } from './node/lineage.ts'
import { readRefusal, type Asked } from './node/refusal.ts'
import { patience, serviceSettings } from './node/service-settings.ts'
import type { Shell } from './shell.ts'

export interface InstallOrder extends Order {
  readonly version: Version
  /** Reload even when every file is right already: what was read before may still be served. */
  readonly forceReload: boolean
  /** What is done to the node's layout in the same transaction. */
  readonly adoption?: LayoutAdoption | undefined
  /** Called as the node says each step is done, in order. */
  readonly onStep: (step: InstallStep) => void
}

export interface RollbackOrder extends Order {
  /** A version whose four files are still in the node's archive, as `Installed.former`. */
  readonly number: number
  readonly forceReload?: boolean
  /** These go back to what they were before they became links to live. */
  readonly back?: readonly Placed[] | undefined
  readonly onStep?: (step: InstallStep) => void
}

interface Order {
  readonly certificate: string
  /** Names of the node's services that are tested and reloaded; undefined: all of them. */
  readonly services?: readonly string[] | undefined
  readonly signal?: AbortSignal | undefined
  /** Seconds that each test and each reload may take; 30 unless told. */
  readonly limit?: number | undefined
}

export interface Installed {
  /** `reloaded`: the files were right already. `unchanged`: nothing was done at all. */
  readonly outcome: 'installed' | 'reloaded' | 'unchanged'
  /**
   * The version that was live before and can be rolled back to. Undefined when there was none: a first
   * version, or a live directory whose links named no complete one. Then there is nothing to roll back to.
   */
  readonly former: number | undefined
  /** What nginx read elsewhere, which now are links to live. */
  readonly placed: readonly Placed[]
  /** What is on disk now. */
  readonly lineage: Lineage
}

const steps: readonly string[] = ['locked', 'staged', 'switched', 'tested', 'reloaded', 'restored']

/**
 * Brings a version to a node: one call, after which the node is untouched or complete, whatever happens to
 * the connection. Throws NodeError, with `left` saying which.
 */
export async function install(shell: Shell, node: Node, order: InstallOrder): Promise<Installed> {
  const files = filesOf(order.version)
  const { privkey, cert, chain } = files
  return transact(shell, node, {
    order,
    asked: { verb: 'install', number: order.version.number },
    sums: new Map([
      ...fileKinds.map((kind) => [kind, sha256(files[kind])] as const),
      ['combined', sha256(combinedOf(files))],
    ]),
    files: { privkey, cert, chain },
    adopt: order.adoption ? adoptLines(order.adoption) : [],
  })
}

/** Points live at a version that the node's archive holds, tests and reloads. Throws NodeError as `install`. */
export async function rollback(shell: Shell, node: Node, order: RollbackOrder): Promise<Installed> {
  const adopt = (order.back ?? []).map(({ kind, path, suffix }) => `back ${kind} ${suffix} ${path}`)
  return transact(shell, node, { order, asked: { verb: 'rollback', number: order.number }, adopt })
}

interface Transaction {
  readonly order: Omit<RollbackOrder, 'number'>
  readonly asked: Pick<Asked, 'verb' | 'number'>
  /** SHA-256 of the files that shall be in place; of a rollback, which has only the pair to show, nothing. */
  readonly sums?: ReadonlyMap<ArchiveKind, string>
  readonly files?: NonNullable<Input['files']>
  readonly adopt?: readonly string[]
}

async function transact(shell: Shell, node: Node, transaction: Transaction): Promise<Installed> {
  const { order, sums, files, adopt = [] } = transaction
  const { certificate, forceReload, onStep, signal, limit = 30 } = order
  const services = servicesFor(node, order)
  const asked: Asked = { ...transaction.asked, certificate, limit, services }
  const token = newToken()
  const settings = {
    root: node.root,
    certificate,
    number: String(asked.number),
    force: forceReload ? 'yes' : 'no',
    limit: String(limit),
    sum: [...(sums ?? [])].map((words) => words.join(' ')),
    ...serviceSettings(services),
    combined: wantsCombined(services) ? 'yes' : 'no',
    adopt,
  }
  const said = await shell.run(encode({ verb: asked.verb, settings, ...(files && { files }) }, token), {
    signal,
    // Between two lines of the program lie at most one wait for the lock or one run of each service's test.
    silenceMs: patience(services, limit),
    onLine: (line) => {
      const step = progress(line, token)
      if (isStep(step)) onStep?.(step)
    },
  })
  const step = asked.verb === 'rollback' ? 'rollback' : 'stage'
  const answer = decode(said, token, { node: node.name, step, left: 'unknown' })
  if (!answer.ok) throw readRefusal(node, asked, answer)
  return readInstalled(answer, { node, asked, sums })
}

/** What the program is told to do to the layout, in this order. */
function adoptLines({ keep, directory, modes, reads }: LayoutAdoption): string[] {
  return [
    ...modes.map(({ path }) => `mode ${path}`),
    ...(keep ? [`keep ${keep.number}`] : []),
    ...(directory === undefined ? [] : ['directory']),
    ...reads.map(({ path, kind, sha256: sum }) => `read ${kind} ${sum} ${path}`),
  ]
}

interface Expected {
  readonly node: Node
  readonly asked: Asked
  readonly sums: Transaction['sums']
}

/** Success is what the node shows to be on its disk, not that it said so. */
function readInstalled(answer: Answer, { node, asked, sums }: Expected): Installed {
  const lineage = readLineages(answer, [asked.certificate])[asked.certificate]
  const outcome = answer.last('outcome')
  const kinds = wantsCombined(asked.services) ? archiveKinds : fileKinds
  const right = kinds.every((kind) => {
    const entry = lineage?.live[kind]
    if (entry?.is !== 'link' || entry.number !== asked.number || entry.sha256 === undefined) return false
    return sums === undefined || entry.sha256 === sums.get(kind)
  })
  if (!isOutcome(outcome) || lineage === undefined || !right || lineage.pair === 'differs') {
    throw new NodeError(`says version ${asked.number} of ${asked.certificate} is in place, but it is not`, {
      node: node.name,
      step: 'switch',
      left: 'unknown',
      hint: `something else changed live/${asked.certificate} at the same time: run again to look afresh`,
    })
  }
  const former = Number(answer.last('former'))
  return {
    outcome,
    former: Number.isSafeInteger(former) && former > 0 ? former : undefined,
    placed: answer.all('kept').flatMap(readPlaced),
    // A version is only stored when key and leaf belong together, and these are its bytes.
    lineage: sums === undefined ? lineage : { ...lineage, pair: 'matches' },
  }
}

function readPlaced(line: string): Placed[] {
  const [, kind, suffix, path] = /^(\S+) (\.before-certs\S*) (\/.*)$/.exec(line) ?? []
  if (kind === undefined || suffix === undefined || path === undefined) return []
  return [{ kind, suffix, path: printableLine(path, { max: 4096 }) }]
}

function isStep(text: string | undefined): text is InstallStep {
  return text !== undefined && steps.includes(text)
}

function isOutcome(text: string | undefined): text is Installed['outcome'] {
  return text === 'installed' || text === 'reloaded' || text === 'unchanged'
}
