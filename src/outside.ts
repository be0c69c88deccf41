import { probe } from '../deploy/probe.ts'
import type { App } from './app.ts'
import type { Certificate } from './core/certificate.ts'
import { sayValidity } from './core/duration.ts'
import type { Node, Served } from './core/node.ts'
import { endpointName, judgeServed } from './core/served.ts'
import { httpEndpointsFor } from './core/serving.ts'
import { versionFacts } from './core/version.ts'
import type { VersionFacts } from './core/version.ts'
import { lookAt } from './observe.ts'

export interface Finding {
  readonly certificate: string
  readonly node: string
  /** `203.0.113.11:443 media.hachyderm.io` or a URL. */
  readonly asked: string
  readonly ok: boolean
  readonly said: string
}

/** Everything that can be seen of the nodes without logging in: handshakes, then the configured URLs. */
export async function lookFromOutside(
  app: App,
  certificates: readonly Certificate[],
  only: readonly string[] | undefined,
): Promise<Finding[]> {
  const looks = certificates.flatMap((certificate) => {
    const wanted = newestStored(app, certificate.name)
    const nodes = certificate.nodes.filter((name) => only?.includes(name) ?? true)
    return nodes.map(async (name) =>
      lookAtNode(app, { certificate, node: app.settings.nodes[name]!, wanted: await wanted }),
    )
  })
  return (await Promise.all(looks)).flat()
}

async function newestStored({ store }: App, name: string): Promise<VersionFacts | undefined> {
  const newest = (await store.listVersions(name)).at(-1)
  const version = newest === undefined ? undefined : await store.getPublicVersion(name, newest)
  return version && versionFacts(version)
}

interface Look {
  readonly certificate: Certificate
  readonly node: Node
  readonly wanted: VersionFacts | undefined
}

async function lookAtNode(app: App, look: Look): Promise<Finding[]> {
  const { certificate, node } = look
  const open = app.fleet.opener(node)
  const pairs = certificate.probes.flatMap((one) =>
    httpEndpointsFor(node, certificate).map((endpoint) => ({ one, endpoint })),
  )
  const roots = await app.cas.roots()
  const [served, probed] = await Promise.all([
    lookAt(app, node, certificate),
    Promise.all(
      pairs.map(({ one, endpoint }) => probe(one, endpoint, { open, signal: app.io.signal, roots })),
    ),
  ])
  const common = { certificate: certificate.name, node: node.name }
  return [
    ...served.map((answer) => ({ ...common, ...judge(answer, look.wanted, app.io.now()) })),
    ...probed.map(({ url, endpoint, ok, said }) => ({
      ...common,
      asked: `${endpointName(endpoint)} ${url}`,
      ok,
      said,
    })),
  ]
}

function judge(
  answer: Served,
  wanted: VersionFacts | undefined,
  now: Date,
): Pick<Finding, 'asked' | 'ok' | 'said'> {
  const asked = `${endpointName(answer.endpoint)} ${answer.name}`
  if (!answer.leaf) return { asked, ok: false, said: answer.error ?? 'no certificate was sent' }
  const validity = sayValidity(answer.leaf.notAfter, now)
  const expired = Date.parse(answer.leaf.notAfter) <= now.getTime()
  if (!wanted) {
    const said = `a certificate by ${answer.leaf.issuer}, ${validity}; no version is stored here to compare it with`
    return { asked, ok: !expired && answer.leaf.names.includes(answer.name), said }
  }
  const because = judgeServed(answer, {
    leafFingerprint: wanted.leaf.fingerprint,
    chainFingerprints: wanted.chain,
  })
  if (because) return { asked, ok: false, said: because }
  return { asked, ok: !expired, said: `version ${wanted.number}, ${validity}` }
}
