import { isIP } from 'node:net'
import { audit as auditNode } from '../deploy/audit.ts'
import type { App } from './app.ts'
import { atMost, nodesAtOnce } from './core/at-most.ts'
import { makeAudit, viewAll } from './core/audit.ts'
import type { Audit, AuditedNode } from './core/audit.ts'
import { canonicalAddress, judgeName, namesOf } from './core/audit-names.ts'
import type { NameLook } from './core/audit-names.ts'
import type { NodeView } from './core/audit-view.ts'
import { CertsError, errorFacts } from './core/errors.ts'
import type { Node } from './core/node.ts'
import { endpointsOf } from './core/serving.ts'
import { findAddresses } from './dns/addresses.ts'
import { createResolver } from './dns/resolver.ts'

export interface AuditScope {
  readonly nodes: readonly Node[]
  /** Searched on every node, beside its own root, the usual folders and what nginx names. */
  readonly folders: readonly string[]
  /** Addresses that are the fleet's too: of a load balancer, say. */
  readonly addresses: readonly string[]
}

/** Where certificates usually lie; what is not there is no fault. */
export const usualFolders = [
  '/etc/nginx',
  '/etc/ssl',
  '/etc/pki/tls',
  '/etc/haproxy',
  '/etc/apache2',
  '/etc/httpd',
  '/root',
]

const namesAtOnce = 16

/** Looks at every node and at where every name leads; changes nothing. The views are what the audit was made of. */
export async function audit(
  app: App,
  scope: AuditScope,
): Promise<{ audit: Audit; views: readonly NodeView[] }> {
  const certificates = Object.values(app.settings.certificates)
  const folders = [...new Set([...usualFolders, ...scope.folders])]
  const inTurn = atMost(nodesAtOnce)
  const nodes = await Promise.all(scope.nodes.map((node) => inTurn(() => lookInto(app, node, folders))))
  const views = viewAll(nodes, certificates)
  const look = createLook(app)
  const [fleet, names] = await Promise.all([
    fleetAddresses(Object.values(app.settings.nodes), { look, more: scope.addresses }),
    Promise.all(namesOf(views, certificates).map(async (said) => ({ said, look: await look(said.name) }))),
  ])
  const judged = names.map(({ said, look: seen }) => judgeName(said, seen, fleet))
  return { audit: makeAudit({ now: app.io.now(), certificates, nodes, views, names: judged }), views }
}

export async function lookInto(app: App, node: Node, folders: readonly string[]): Promise<AuditedNode> {
  app.emit({ kind: 'node-connecting', node: node.name })
  try {
    const shell = await app.fleet.shell(node)
    const material = await auditNode(shell, node, { folders, signal: app.io.signal })
    app.emit({ kind: 'node-inspected', node: node.name })
    return { node: node.name, material }
  } catch (error) {
    if (!(error instanceof CertsError)) throw error
    app.emit({ kind: 'node-unreachable', node: node.name, error })
    return { node: node.name, error: errorFacts(error) }
  }
}

type Look = (name: string) => Promise<NameLook>

function createLook({ settings, io }: App): Look {
  const resolver = createResolver(settings.resolvers)
  const queue = atMost(namesAtOnce)
  return (name) =>
    queue(async () => {
      try {
        return { name, ...(await findAddresses(resolver, name, io.signal)) }
      } catch (error) {
        if (!(error instanceof CertsError)) throw error
        return { name, error: error.message }
      }
    })
}

/** Of logins and endpoints, names of them looked up. A node's own loopback is nobody's way in. */
async function fleetAddresses(
  nodes: readonly Node[],
  { look, more }: { readonly look: Look; readonly more: readonly string[] },
): Promise<Set<string>> {
  const said = nodes.flatMap(({ ssh, services }) =>
    [ssh?.address ?? [], endpointsOf(services).map(({ address }) => address)].flat(),
  )
  const all = await Promise.all(
    [...new Set([...said, ...more])].map(async (address) => {
      if (isIP(address)) return [address]
      const seen = await look(address)
      return 'addresses' in seen ? seen.addresses : []
    }),
  )
  return new Set(
    all
      .flat()
      .map(canonicalAddress)
      .filter((address) => !/^(127\.|::1$)/.test(address)),
  )
}
