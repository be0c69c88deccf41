import { ConfigError } from '../core/errors.ts'
import type { Node, SshTarget } from '../core/node.ts'
import type { RawConfig, RawHop, RawNode } from './schema.ts'
import { normalizeServices, splitAddress } from './serving.ts'

type ResolvePath = (given: string) => string

/** Every node with the defaults of `ssh` filled in. Throws ConfigError naming the node. */
export function normalizeNodes(raw: RawConfig, resolvePath: ResolvePath): Record<string, Node> {
  const defaults = loginDefaults(raw, resolvePath)
  const entries = Object.entries(raw.nodes ?? {})
  const remote = entries.filter(([, node]) => node.address !== thisMachine)
  const here = new Set(entries.filter((entry) => !remote.includes(entry)).map(([name]) => name))
  const targets = new Map(remote.map(([name, node]) => [name, targetOf(node, defaults, resolvePath)]))
  return Object.fromEntries(
    entries.map(([name, node]) => {
      refuseOddName(name)
      if (node.address === thisMachine) refuseLogin(name, node)
      const hops = [node.jump ?? []].flat().map((hop) => hopOf(hop, { here, targets, defaults, resolvePath }))
      return [name, normalizeNode(name, node, { ssh: targets.get(name), hops, sudo: raw.ssh?.sudo ?? false })]
    }),
  )
}

/** The address of the node that certs itself runs on. */
const thisMachine = 'local'

function refuseLogin(name: string, node: RawNode): void {
  const given = (['port', 'user', 'identity', 'knownHosts', 'jump'] as const).find(
    (key) => node[key] !== undefined,
  )
  if (given === undefined) return
  throw new ConfigError(`nodes["${name}"].${given}: address 'local' is this machine, and nobody logs in`, {
    hint: `leave ${given} out, or give the node an address`,
  })
}

type Defaults = Omit<SshTarget, 'address'>

function loginDefaults({ ssh }: RawConfig, resolvePath: ResolvePath): Defaults {
  return {
    port: ssh?.port ?? 22,
    user: ssh?.user ?? 'root',
    identity: resolveIdentity(ssh?.identity ?? '~/.ssh/id_ed25519', resolvePath),
    knownHosts: resolvePath(ssh?.knownHosts ?? '~/.ssh/known_hosts'),
  }
}

function resolveIdentity(given: string, resolvePath: ResolvePath): string {
  return given === 'agent' ? given : resolvePath(given)
}

type RawLogin = Exclude<RawHop, string>

function targetOf(raw: RawLogin | RawNode, defaults: Defaults, resolvePath: ResolvePath): SshTarget {
  return {
    address: raw.address,
    port: raw.port ?? defaults.port,
    user: raw.user ?? defaults.user,
    identity: raw.identity === undefined ? defaults.identity : resolveIdentity(raw.identity, resolvePath),
    knownHosts: raw.knownHosts === undefined ? defaults.knownHosts : resolvePath(raw.knownHosts),
  }
}

interface HopInput {
  /** Names of nodes that are this machine. */
  readonly here: ReadonlySet<string>
  readonly targets: ReadonlyMap<string, SshTarget>
  readonly defaults: Defaults
  readonly resolvePath: ResolvePath
}

/** A hop is another node's name, `[user@]address[:port]`, or written out. */
function hopOf(
  hop: RawHop,
  { here, targets, defaults, resolvePath }: HopInput,
): SshTarget & { name: string } {
  if (typeof hop !== 'string') return { name: hop.address, ...targetOf(hop, defaults, resolvePath) }
  const named = targets.get(hop)
  if (named) return { name: hop, ...named }
  if (hop === thisMachine || here.has(hop))
    throw new ConfigError(`jump: ${hop} is this machine, which is no hop`)
  const [, user, rest] = /^(?:([^@]+)@)?(.+)$/.exec(hop)!
  const { address, port } = splitAddress(rest!, defaults.port)
  return { name: address, ...defaults, address, port, ...(user === undefined ? {} : { user }) }
}

interface NodeParts {
  readonly ssh: SshTarget | undefined
  readonly hops: Node['jump']
  readonly sudo: boolean
}

function normalizeNode(name: string, raw: RawNode, { ssh, hops, sudo }: NodeParts): Node {
  return {
    name,
    groups: raw.groups ?? [],
    ssh,
    // A default for logins is no wish for this machine, where certs is root already or not.
    sudo: raw.sudo ?? (ssh !== undefined && sudo),
    jump: hops,
    root: raw.paths?.root ?? '/etc/letsencrypt',
    services: normalizeServices(raw, { name, address: ssh?.address ?? '127.0.0.1' }),
  }
}

function refuseOddName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) return
  throw new ConfigError(
    `nodes["${name}"]: a node's name has letters, digits, dots, dashes and underscores only`,
  )
}
