import { sayNames, sayPlace, shellWord } from './audit-finding.ts'
import type { NodeFinding } from './audit-finding.ts'
import { covers } from './audit-view.ts'
import type { Holding, NodeView } from './audit-view.ts'
import type { Certificate } from './certificate.ts'
import { sayDuration } from './duration.ts'
import type { FoundCertificate } from './material.ts'
import type { TlsServer } from './nginx-configuration.ts'

export interface Judging {
  readonly now: Date
  /** All that are configured, for whichever nodes. */
  readonly certificates: readonly Certificate[]
}

/** What is wrong with what nginx serves on one node. */
export function judgeServed(view: NodeView, judging: Judging): NodeFinding[] {
  const served = view.use.servers.flatMap((server) => judgeServer(view, server, judging))
  return [...served, ...view.holdings.flatMap((holding) => judgeHolding(view, holding, judging))]
}

const known = /^[a-z0-9_-]+(\.[a-z0-9_-]+)+$/

/** Names that a user may type: no `_`, no wildcard, no pattern, none without a dot. */
export function realNames({ names }: Pick<TlsServer, 'names'>): string[] {
  return names.map((name) => name.replace(/^\./, '')).filter((name) => known.test(name) && /[a-z]/.test(name))
}

function judgeServer(view: NodeView, server: TlsServer, { certificates }: Judging): NodeFinding[] {
  const { node } = view
  const pairs = server.certificates.map((named, index) => ({
    file: view.fileOf(named.path),
    key: view.fileOf(server.keys[index]?.path ?? ''),
    path: named.path,
  }))
  const what = [sayPlace(server)]
  const found: NodeFinding[] = []
  const names = realNames(server)
  const leaves = pairs.flatMap(({ file }) => file?.certificate ?? [])
  const bare = names.filter((name) => !leaves.some((leaf) => covers(leaf.names, name)))
  if (bare.length > 0 && leaves.length === pairs.length) {
    const message = `a server of nginx answers for ${bare.join(', ')} with a certificate for ${leaves.map(sayNames).join(' and ')}`
    const hints = ['give the server a certificate for its names, or take the names out of it']
    found.push({ kind: 'uncovered', level: 'wrong', message, node, what, hints, commands: [] })
  }
  for (const { file, key, path } of pairs) {
    const spki = key?.key?.spki
    if (spki === undefined || !file?.certificate || file.certificate.spki === spki) continue
    const message = `certificate and key do not belong together: ${path} and ${key!.path}`
    const hints = ['nginx keeps serving what it read before; its next start fails']
    found.push({ kind: 'unpaired', level: 'wrong', message, node, what, hints, commands: [] })
  }
  const certificate = certificates.find((one) => names.some((name) => covers(one.names, name)))
  if (certificate) found.push(...judgePath(view, server, certificate))
  return found
}

/** A server for names that are configured reads what a rollout switches, or something else. */
function judgePath(view: NodeView, server: TlsServer, { name, nodes }: Certificate): NodeFinding[] {
  const { node, material } = view
  const what = [sayPlace(server)]
  if (!nodes.includes(node)) {
    const message = `${name} is served here too, and certificates["${name}"].nodes leaves the node out`
    const hints = [`add ${node} to certificates["${name}"].nodes, or take the server away`]
    return [{ kind: 'left-out', level: 'wrong', message, node, what, hints, commands: [] }]
  }
  const folder = `${material.root}/live/${name}`
  const paths = server.certificates.map(({ path }) => path)
  if (paths.some((path) => leadsTo(view, path, `${folder}/fullchain.pem`))) return []
  const [path = ''] = paths
  const read = view.fileOf(path)
  const stale = read?.certificate ? '' : ', which was not found'
  const message = `nginx serves ${name} from ${path}${stale}: no rollout reaches that`
  const hints = [
    `in ${server.certificates[0] ? sayPlace(server.certificates[0]) : sayPlace(server)}: ssl_certificate ${folder}/fullchain.pem; ssl_certificate_key ${folder}/privkey.pem;`,
  ]
  const commands = ['nginx -t && systemctl reload nginx']
  return [{ kind: 'unexpected-file', level: 'wrong', message, node, what, hints, commands }]
}

/** Whether a path is this one, or a chain of links to it. */
function leadsTo(view: NodeView, path: string, wanted: string): boolean {
  let [at, hops]: [string, number] = [path, 0]
  while (at !== wanted) {
    const target = view.fileOf(at)?.target
    if (target === undefined || hops++ > 8) return false
    at = resolveLink(at, target)
  }
  return true
}

/** Where a link at this path points. */
export function resolveLink(path: string, target: string): string {
  const parts = target.startsWith('/') ? [] : path.split('/').slice(1, -1)
  for (const part of target.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}

function judgeHolding(view: NodeView, holding: Holding, judging: Judging): NodeFinding[] {
  const { certificate: leaf, servers } = holding
  if (!leaf || servers.length === 0) return []
  const names = servedNames(servers, leaf)
  if (names.length === 0) return []
  const managed = judging.certificates.find((one) => names.some((name) => covers(one.names, name)))
  const renewer = managed ? 'certs renew' : renewerOf(view, holding)
  const what = servers.map(sayPlace)
  const base = { node: view.node, what, commands: [] }
  const hints = adviceFor(managed, renewer)
  const found: NodeFinding[] = []
  const left = Date.parse(leaf.notAfter) - judging.now.getTime()
  const lifetime = Date.parse(leaf.notAfter) - Date.parse(leaf.notBefore)
  if (left <= 0) {
    const message = `${sayNames(leaf)} is served, and expired ${sayDuration(left)} ago`
    found.push({ ...base, kind: 'expired', level: 'wrong', message, hints })
  } else if (left < lifetime / (renewer === undefined ? 3 : 6)) {
    const late = renewer === undefined ? '' : `, and ${renewer} has not renewed it yet`
    const message = `${sayNames(leaf)} is served, and expires in ${sayDuration(left)}${late}`
    found.push({ ...base, kind: 'expiring', level: 'wrong', message, hints })
  }
  if (!managed) {
    const by = renewer === undefined ? 'nothing that was found renews it' : `${renewer} renews it`
    const message = `${sayNames(leaf)} is served and not in the configuration: ${by}`
    const level = renewer === undefined ? 'wrong' : 'tidy'
    found.push({ ...base, kind: 'unmanaged', level, message, hints: [takeIn] })
  }
  return found
}

const takeIn = 'certs audit --write-config FILE proposes an entry for it'

/** Of a server that answers for whatever else comes, the certificate says what it is for. */
export function servedNames(servers: readonly TlsServer[], leaf: FoundCertificate): string[] {
  const named = servers.flatMap(realNames)
  return named.length > 0 || leaf.selfSigned
    ? [...new Set(named)]
    : leaf.names.filter((name) => name.includes('.'))
}

function adviceFor(managed: Certificate | undefined, renewer: string | undefined): string[] {
  if (managed) return [`certs rollout ${shellWord(managed.name)}`]
  return renewer === undefined ? [takeIn] : [`see why ${renewer} does not renew it, or let certs: ${takeIn}`]
}

/** `certbot`, where it runs by itself and has a renewal file for this lineage. */
export function renewerOf({ material: { renewers } }: NodeView, { lineage }: Holding): string | undefined {
  if (!lineage || !renewers.lineages.includes(lineage.name)) return undefined
  const timer = renewers.timers.find((unit) => unit.includes('certbot'))
  const cron = renewers.cron.find(({ program }) => program === 'certbot')
  return timer ?? (cron && `certbot in ${cron.at}`)
}
