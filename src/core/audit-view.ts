import type { Certificate } from './certificate.ts'
import { globMatches } from './glob.ts'
import type { FoundCertificate, FoundKey, Material, MaterialFile } from './material.ts'
import { readNginxUse } from './nginx-configuration.ts'
import type { NamedFile, NginxUse, Place, TlsServer } from './nginx-configuration.ts'

/** A file, or the files of one version of a lineage: what is kept or thrown away as one. */
export interface Holding {
  /** A path, or `/etc/letsencrypt/archive/NAME (version 2)`. */
  readonly label: string
  /** The file's, or the lineage's in archive. */
  readonly path: string
  readonly lineage?: { readonly name: string; readonly number: number; readonly live: boolean }
  /** Each file once, by the path that is no link where there is one. */
  readonly files: readonly MaterialFile[]
  /** Paths that are links to these files. */
  readonly links: readonly string[]
  readonly certificate?: FoundCertificate
  /** Private keys in it. */
  readonly keys: readonly FoundKey[]
  /** Servers of nginx that serve the certificate. */
  readonly servers: readonly TlsServer[]
  /** What reads certificate or key: servers of nginx, lines of other services. */
  readonly readers: readonly Place[]
  /** Something names it, or certs keeps it here. */
  readonly inUse: boolean
}

/** One node, with who reads what found out. */
export interface NodeView {
  readonly node: string
  readonly material: Material
  readonly use: NginxUse
  readonly holdings: readonly Holding[]
  /** nginx said what it reads, and all of it by name: what it does not name, it does not read. */
  readonly readsKnown: boolean
  /** The file that nginx means by a path of its configuration; undefined when it was not found. */
  readonly fileOf: (path: string) => MaterialFile | undefined
  /** Configured certificates that belong here. */
  readonly configured: readonly Certificate[]
}

export function viewNode(material: Material, certificates: readonly Certificate[]): NodeView {
  const use = readNginxUse(material.nginx.configuration)
  const byPath = new Map(material.files.map((file) => [file.path, file]))
  const configured = certificates.filter(({ nodes }) => nodes.includes(material.node))
  const known = new Set(configured.map(({ name }) => name))
  const readBy = readersOf(use, material)
  const holdings = groupFiles(material).map((group): Holding => {
    const named = group.files.flatMap(({ id }) => readBy.get(id) ?? [])
    const certificate = group.files.find((file) => file.certificate?.authority === false)?.certificate
    const ours = group.lineage?.live === true && known.has(group.lineage.name)
    return {
      ...group,
      ...(certificate ? { certificate } : {}),
      keys: group.files.flatMap(({ key }) => key ?? []),
      servers: serversOf(named.filter(({ as }) => as === 'certificate')),
      readers: placesOf(named),
      inUse: named.length > 0 || ours,
    }
  })
  const opaque = use.files.some(({ path }) => path.startsWith('$'))
  const readsKnown = material.nginx.configuration.length > 0 && !opaque
  return {
    node: material.node,
    material,
    use,
    holdings,
    readsKnown,
    fileOf: (path) => byPath.get(path),
    configured,
  }
}

/** Whether a certificate for these names is one for this name (RFC 6125 section 6.4.3). */
export function covers(names: readonly string[], name: string): boolean {
  return names.includes(name) || names.includes(name.replace(/^[^.]+/, '*'))
}

interface Reading {
  /** `other`: a CA list for clients, a key for an upstream. */
  readonly as: 'certificate' | 'key' | 'other'
  readonly server?: TlsServer
  /** Where another service than nginx names it. */
  readonly place?: Place
}

function serversOf(readings: readonly Reading[]): TlsServer[] {
  return [...new Set(readings.flatMap(({ server }) => server ?? []))]
}

function placesOf(readings: readonly Reading[]): Place[] {
  const places = readings.flatMap(({ place }) => place ?? [])
  return [...serversOf(readings), ...new Map(places.map((one) => [JSON.stringify(one), one])).values()]
}

/** Who names a file, by its identity: under whatever path, a path with variables in it too. */
function readersOf(use: NginxUse, { files, named: others }: Material): Map<string, Reading[]> {
  const readBy = new Map<string, Reading[]>()
  const add = ({ path }: NamedFile, reading: Reading) => {
    for (const file of files) {
      if (file.path !== path && !(path.includes('$') && globMatches(variableGlob(path), file.path))) continue
      readBy.set(file.id, [...(readBy.get(file.id) ?? []), reading])
    }
  }
  for (const { path, at } of others) {
    const [, file = at, line] = /^(.*):(\d+)$/.exec(at) ?? []
    const reading: Reading = { as: 'other', place: { file, line: Number(line ?? 0) } }
    for (const { path: found, id } of files) {
      // haproxy reads every file of a folder.
      const inside = found.startsWith(`${path}/`) && !found.includes('/', path.length + 1)
      if (found === path || inside) readBy.set(id, [...(readBy.get(id) ?? []), reading])
    }
  }
  for (const named of use.files) add(named, { as: 'other' })
  for (const server of use.servers) {
    for (const named of server.certificates) add(named, { as: 'certificate', server })
    for (const named of server.keys) add(named, { as: 'key', server })
  }
  return readBy
}

function variableGlob(path: string): string {
  return path.replaceAll(/[\\*?[]/g, '\\$&').replaceAll(/\$(\{\w+\}|\w+)/g, '*')
}

interface Group {
  label: string
  path: string
  lineage?: { name: string; number: number; live: boolean }
  files: MaterialFile[]
  links: string[]
}

function groupFiles({ files, root }: Material): Group[] {
  const groups = new Map<string, Group>()
  // A link that leads to no file that was found under its own path stands for it.
  const owners = new Map(
    files
      .toSorted((a, b) => Number(isLink(a)) - Number(isLink(b)))
      .toReversed()
      .map((file) => [file.id, file]),
  )
  const live = new Set(files.flatMap((file) => (file.path.startsWith(`${root}/live/`) ? [file.id] : [])))
  for (const file of files) {
    const owner = owners.get(file.id) ?? file
    const place = placeOf(owner, root)
    const key = place.lineage ? place.label : owner.id
    const group = groups.get(key) ?? { ...place, files: [], links: [] }
    groups.set(key, group)
    if (owner !== file) group.links.push(file.path)
    else group.files.push(file)
    if (group.lineage && live.has(file.id)) group.lineage.live = true
  }
  return [...groups.values()]
}

function isLink({ target }: MaterialFile): boolean {
  return target !== undefined
}

function placeOf({ path }: MaterialFile, root: string): Omit<Group, 'files' | 'links'> {
  const inRoot = path.startsWith(`${root}/archive/`) ? path.slice(root.length + '/archive/'.length) : ''
  const [, name, number] =
    /^([^/]+)\/(?:privkey|cert|chain|fullchain|combined)([1-9]\d{0,14})\.pem$/.exec(inRoot) ?? []
  if (name === undefined || number === undefined) return { label: path, path }
  const folder = `${root}/archive/${name}`
  return {
    label: `${folder} (version ${number})`,
    path: folder,
    lineage: { name, number: Number(number), live: false },
  }
}
