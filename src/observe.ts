import { inspect } from '../deploy/inspect.ts'
import { programPrefix } from '../deploy/node/program.ts'
import { handshake } from '../deploy/verify.ts'
import type { App } from './app.ts'
import type { Certificate } from './core/certificate.ts'
import { CertsError, errorFacts } from './core/errors.ts'
import type { Node, Served } from './core/node.ts'
import type {
  CertificateObservation,
  ChallengeObservation,
  NodeObservation,
  Observed,
} from './core/observed.ts'
import { judgeRenewal } from './core/renewal.ts'
import { versionFacts } from './core/version.ts'
import type { PreflightLooks } from './preflight.ts'

export interface Selection {
  readonly certificates: readonly Certificate[]
  /** Only these nodes; undefined: all of the certificates'. */
  readonly only?: readonly string[] | undefined
  readonly forceRenew: boolean
  /** A stored version is asked for. */
  readonly toVersion?: number | undefined
  /** False where nothing will be issued, whatever is due: DNS is not asked then. */
  readonly mayIssue?: boolean
  /** A change may follow at once: sessions for it are opened ahead of time. */
  readonly mayChange?: boolean
}

/** Looks at everything side by side: nodes from inside and outside, the store, DNS where an issuance is due. */
export async function observe(app: App, selection: Selection): Promise<Observed> {
  const now = app.io.now()
  const names = [...new Set(selection.certificates.flatMap(({ nodes }) => nodes))]
  let opened: Promise<PreflightLooks> | undefined
  const looks = () => (opened ??= import('./preflight.ts').then((module) => module.createPreflight(app)))
  const chosen = names.filter((name) => selection.only?.includes(name) ?? true)
  const [nodes, certificates] = await Promise.all([
    Promise.all(chosen.map(async (name) => [name, await observeNode(app, name, selection)] as const)),
    Promise.all(
      selection.certificates.map(
        async (one) => [one.name, await observeCertificate(app, one, { selection, looks })] as const,
      ),
    ),
  ])
  return { now, nodes: Object.fromEntries(nodes), certificates: Object.fromEntries(certificates) }
}

async function observeNode(app: App, name: string, selection: Selection): Promise<NodeObservation> {
  const { certificates, mayChange = false } = selection
  const node = app.settings.nodes[name]!
  const here = certificates.filter(({ nodes }) => nodes.includes(name))
  const looked = lookInside(app, node, here).then((inside) => {
    if (inside.inspection && mayChange)
      void app.fleet.shell(node).then((shell) => shell.prepare(programPrefix()))
    return inside
  })
  const served = await Promise.all(here.map(async (one) => [one.name, await lookAt(app, node, one)] as const))
  return { ...(await looked), served: Object.fromEntries(served) }
}

async function lookInside(
  app: App,
  node: Node,
  certificates: readonly Certificate[],
): Promise<Omit<NodeObservation, 'served'>> {
  app.emit({ kind: 'node-connecting', node: node.name })
  try {
    const shell = await app.fleet.shell(node)
    const inspection = await inspect(
      shell,
      node,
      certificates.map(({ name }) => name),
      { signal: app.io.signal },
    )
    app.emit({ kind: 'node-inspected', node: node.name })
    return { inspection }
  } catch (error) {
    if (!(error instanceof CertsError)) throw error
    app.emit({ kind: 'node-unreachable', node: node.name, error })
    return { error: errorFacts(error) }
  }
}

/** One handshake with each endpoint for each name. */
export function lookAt(app: App, node: Node, { verifyNames }: Certificate): Promise<Served[]> {
  const open = async (address: string, port: number) => (await app.fleet.shell(node)).forward(address, port)
  const pairs = node.endpoints.flatMap((endpoint) => verifyNames.map((name) => ({ endpoint, name })))
  return Promise.all(
    pairs.map(({ endpoint, name }) => handshake(endpoint, name, { open, signal: app.io.signal })),
  )
}

interface CertificateLook {
  readonly selection: Selection
  readonly looks: () => Promise<PreflightLooks>
}

async function observeCertificate(
  app: App,
  certificate: Certificate,
  { selection, looks }: CertificateLook,
): Promise<CertificateObservation> {
  const { store } = app
  const numbers = await store.listVersions(certificate.name)
  const versions = await Promise.all(numbers.map((number) => store.getVersion(certificate.name, number)))
  const facts = versions.flatMap((version) => (version ? versionFacts(version) : []))
  const order = await store.get<{ number: number }>(`orders/${certificate.name}`)
  const underway = order && !numbers.includes(order.value.number) ? { number: order.value.number } : undefined
  const renewal = judgeRenewal({
    certificate,
    stored: facts.at(-1)?.leaf,
    now: app.io.now(),
    forced: selection.forceRenew,
    underway: underway !== undefined,
  })
  const issuing = renewal.due && selection.toVersion === undefined && selection.mayIssue !== false
  const [challenges, preflight] = issuing
    ? await Promise.all([locateChallenges(app, certificate), (await looks()).of(certificate)])
    : [[], undefined]
  if (selection.mayChange) {
    for (const { message } of preflight?.warnings ?? [])
      app.emit({ kind: 'warning', certificate: certificate.name, message })
  }
  return {
    versions: facts,
    highest: await store.highestNumber(certificate.name),
    ...(underway ? { underway } : {}),
    challenges,
    ...(preflight ? { preflight } : {}),
  }
}

/** Where each TXT record would go: proves delegation, zone and provider before anything is ordered. */
async function locateChallenges(app: App, certificate: Certificate): Promise<ChallengeObservation[]> {
  const solver = await app.solver(certificate)
  return Promise.all(
    certificate.names.map(async (identifier) => {
      try {
        return { identifier, ...(await solver.locate(identifier, app.io.signal)) }
      } catch (error) {
        if (!(error instanceof CertsError)) throw error
        return { identifier, error: errorFacts(error) }
      }
    }),
  )
}
