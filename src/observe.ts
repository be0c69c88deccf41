import { inspect } from '../deploy/inspect.ts'
import { programPrefix } from '../deploy/node/program.ts'
import { handshake } from '../deploy/verify.ts'
import type { App } from './app.ts'
import { atMost, nodesAtOnce } from './core/at-most.ts'
import { issuerOf } from './acme/issuers.ts'
import { judgeAttempts } from './core/backoff.ts'
import type { Certificate, Leaf } from './core/certificate.ts'
import { CertsError, errorFacts } from './core/errors.ts'
import type { Node, Served } from './core/node.ts'
import type { CaState, CertificateObservation, NodeObservation, Observed } from './core/observed.ts'
import { judgeRenewal } from './core/renewal.ts'
import { endpointsFor } from './core/serving.ts'
import { judgeWithdrawal } from './core/withdrawal.ts'
import { domainsOf, lookAhead, sayWarnings } from './look-ahead.ts'
import type { PreflightLooks } from './preflight.ts'
import { recallStored } from './stored.ts'
import type { Stored } from './stored.ts'

export interface Selection {
  readonly certificates: readonly Certificate[]
  /** Only these nodes; undefined: all of the certificates'. */
  readonly only?: readonly string[] | undefined
  readonly forceRenew: boolean
  /** Layouts are put right; a person said yes. */
  readonly adopt?: boolean | undefined
  /** A stored version is asked for. */
  readonly toVersion?: number | undefined
  /** A person named these certificates: they are tried although attempts failed a moment ago. */
  readonly insistent?: boolean
  /** Versions before the newest are of interest. */
  readonly history?: boolean
  /** False where nothing will be issued, whatever is due: DNS is not asked then. */
  readonly mayIssue?: boolean
  /** Which CA issued what is stored is of interest, also where only one is configured. */
  readonly issuers?: boolean
  /** A change may follow at once: sessions for it are opened ahead of time. */
  readonly mayChange?: boolean
}

/** Looks at everything side by side: nodes, a hundred at a time, from inside and outside, the store, DNS where an issuance is due. */
export async function observe(app: App, selection: Selection): Promise<Observed> {
  const now = app.io.now()
  const names = [...new Set(selection.certificates.flatMap(({ nodes }) => nodes))]
  let opened: Promise<PreflightLooks> | undefined
  const looks = () => (opened ??= import('./preflight.ts').then((module) => module.createPreflight(app)))
  const chosen = names.filter((name) => selection.only?.includes(name) ?? true)
  const { certificates: selected, history = selection.toVersion !== undefined } = selection
  const inTurn = atMost(nodesAtOnce)
  const recalling = recallStored(app, { certificates: selected, history })
  const reading = readCas(app)
  const observeOne = async (certificate: Certificate): Promise<CertificateObservation> => {
    const stored = await (await recalling)(certificate)
    return observeCertificate(app, certificate, {
      selection,
      looks,
      stored,
      cas: await reading,
    })
  }
  const [nodes, certificates, cas] = await Promise.all([
    Promise.all(
      chosen.map(async (name) => [name, await inTurn(() => observeNode(app, name, selection))] as const),
    ),
    Promise.all(selected.map(async (one) => [one.name, await observeOne(one)] as const)),
    reading,
  ])
  await app.keepRenewalInfo()
  return { now, nodes: Object.fromEntries(nodes), certificates: Object.fromEntries(certificates), cas }
}

function readCas({ cas, memory }: App): Promise<CaState[]> {
  const reading = cas.all.map(async ({ name, directory }) => {
    // A budget that can't be read refuses the order itself, and says so there.
    const budget = await memory.budget(directory).catch(() => undefined)
    return { name, directory, budget }
  })
  return Promise.all(reading)
}

async function observeNode(app: App, name: string, selection: Selection): Promise<NodeObservation> {
  const { certificates, mayChange = false } = selection
  const node = app.settings.nodes[name]!
  const here = certificates.filter(({ nodes }) => nodes.includes(name))
  const looked = lookInside(app, node, { certificates: here, mayChange })
  const served = await Promise.all(here.map(async (one) => [one.name, await lookAt(app, node, one)] as const))
  return { ...(await looked), served: Object.fromEntries(served) }
}

async function lookInside(
  app: App,
  node: Node,
  { certificates, mayChange }: { readonly certificates: readonly Certificate[]; readonly mayChange: boolean },
): Promise<Omit<NodeObservation, 'served'>> {
  app.emit({ kind: 'node-connecting', node: node.name })
  try {
    const shell = await app.fleet.shell(node)
    const names = certificates.map(({ name }) => name)
    const looking = inspect(shell, node, names, {
      signal: app.io.signal,
      names: certificates.flatMap((one) => one.names),
    })
    if (mayChange) shell.prepare(programPrefix())
    const inspection = await looking
    app.emit({ kind: 'node-inspected', node: node.name })
    return { inspection }
  } catch (error) {
    if (!(error instanceof CertsError)) throw error
    app.emit({ kind: 'node-unreachable', node: node.name, error })
    return { error: errorFacts(error) }
  }
}

/** One handshake with each endpoint for each name. */
export function lookAt(app: App, node: Node, certificate: Certificate): Promise<Served[]> {
  const open = app.fleet.opener(node)
  const pairs = endpointsFor(node, certificate).flatMap((endpoint) =>
    certificate.verifyNames.map((name) => ({ endpoint, name })),
  )
  return Promise.all(
    pairs.map(({ endpoint, name }) => handshake(endpoint, name, { open, signal: app.io.signal })),
  )
}

interface CertificateLook {
  readonly selection: Selection
  readonly looks: () => Promise<PreflightLooks>
  readonly stored: Stored
  readonly cas: readonly CaState[]
}

async function observeCertificate(
  app: App,
  certificate: Certificate,
  { selection, looks, stored, cas }: CertificateLook,
): Promise<CertificateObservation> {
  const now = app.io.now()
  const newest = stored.versions.at(-1)
  const mayIssue = !stored.fault && selection.toVersion === undefined && selection.mayIssue !== false
  const suggestion =
    newest && (await app.renewalInfo.suggestion(certificate.name, newest.leaf, { ask: mayIssue }))
  const renewal = judgeRenewal({
    certificate,
    stored: newest?.leaf,
    now,
    suggestion,
    withdrawn: judgeWithdrawal(newest, stored.withdrawal),
    forced: selection.forceRenew,
    underway: stored.underway !== undefined,
  })
  const insistent = selection.forceRenew || selection.insistent === true
  const patience = { now, insistent, notAfter: newest?.leaf.notAfter }
  const issuing = renewal.due && mayIssue && !judgeAttempts(stored.attempts, patience)
  const budgeted = cas.some(({ budget }) => budget !== undefined)
  const facts = {
    ...stored,
    suggestion,
    issuedBy:
      newest && (await readIssuer(app, certificate, { leaf: newest.leaf, selection, due: renewal.due })),
    domains: issuing && budgeted ? await domainsOf(certificate) : [],
  }
  if (!issuing) return { ...facts, challenges: [] }
  const seen = { ...facts, ...(await lookAhead(app, certificate, { looks: await looks(), facts, cas })) }
  if (selection.mayChange) sayWarnings(app, certificate, seen)
  return seen
}

/** Where it makes a difference. */
async function readIssuer(
  { cas, store }: App,
  { name }: Certificate,
  { leaf, selection, due }: { readonly leaf: Leaf; readonly selection: Selection; readonly due: boolean },
): Promise<string | undefined> {
  const isShown = selection.issuers === true || (selection.mayIssue === false && cas.all.length > 1)
  if (!due && !isShown) return undefined
  return issuerOf(store, name, leaf).catch(() => undefined)
}
