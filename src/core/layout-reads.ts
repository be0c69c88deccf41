import { covers } from './audit-view.ts'
import { readLeaf } from './certificate.ts'
import type { Certificate } from './certificate.ts'
import type { Inspection, NginxRead, ReadElsewhere } from './node.ts'

export type Names = Pick<Certificate, 'name' | 'names' | 'verifyNames'>

/** A path that nginx reads, to become a link to a file of live. */
export interface Replacement {
  readonly path: string
  readonly kind: 'fullchain' | 'privkey'
  /** Of what is there now. */
  readonly sha256: string
}

/** A server block that reads files elsewhere for names of the certificate. */
export interface StrayRead {
  readonly because: string
  /** Empty where a person has to change nginx's configuration. */
  readonly replacements: readonly Replacement[]
  /** Why it can't be adopted. */
  readonly hindrance?: string
  /** A name that is asked for in handshakes is read from nowhere else, so no rollout reaches it. */
  readonly missed: boolean
}

/** What of a node nginx reads for the names of a certificate, and not from its live. */
export function findStrayReads(names: Names, inspection: Inspection): StrayRead[] {
  const strays = inspection.reads.filter((read) => isStray(read, names, inspection))
  const missed = names.verifyNames.filter((name) => isMissed(name, { names, inspection }))
  return strays.map((read): StrayRead => {
    const paths = strayPaths(read, names, inspection)
    const served = read.serverNames.filter((name) => covers(names.names, name))
    const because = `nginx reads ${paths.join(' and ')} for ${served.join(' ')}, not live/${names.name}`
    const hindrance = findHindrance(read, { strays, names, inspection })
    const replacements = hindrance === undefined ? replacementsOf(read, paths, inspection) : []
    const isFor = (name: string) => served.some((one) => one === name || covers([one], name))
    return { because, replacements, ...(hindrance && { hindrance }), missed: missed.some(isFor) }
  })
}

/** It is for a name of ours, and one of its files is known to lie elsewhere. */
function isStray(read: NginxRead, names: Names, inspection: Inspection): boolean {
  if (!read.serverNames.some((name) => covers(names.names, name))) return false
  return strayPaths(read, names, inspection).length > 0
}

function strayPaths({ file, key }: NginxRead, names: Names, inspection: Inspection): string[] {
  const paths = [...new Set([file, key].filter((path) => path !== undefined))]
  return paths.filter((path) => {
    const found = fileAt(path, inspection)
    return found !== undefined && !found.leadsTo.startsWith(`live/${names.name}/`)
  })
}

function fileAt(path: string, { elsewhere }: Inspection): ReadElsewhere | undefined {
  return elsewhere.find((one) => one.path === path)
}

/** Whether nginx reads nothing for a name but what lies elsewhere. */
function isMissed(
  name: string,
  { names, inspection }: { readonly names: Names; readonly inspection: Inspection },
): boolean {
  const reads = inspection.reads.filter(({ serverNames }) => covers(serverNames, name))
  return reads.length > 0 && reads.every((read) => isStray(read, names, inspection))
}

interface Surroundings {
  readonly strays: readonly NginxRead[]
  readonly names: Names
  readonly inspection: Inspection
}

function findHindrance(read: NginxRead, { strays, names, inspection }: Surroundings): string | undefined {
  const { file, key } = read
  const paths = strayPaths(read, names, inspection)
  if (key === undefined || key === file) return 'certificate and key are in one file'
  for (const path of paths) {
    const { leaf, loose } = fileAt(path, inspection)!
    if (path.startsWith(`${inspection.root}/archive/`))
      return `${path} is of the archive, where nothing is changed`
    if (loose !== undefined) return `${loose} can be changed by others than root`
    if (inspection.program !== undefined && !path.startsWith(`${inspection.root}/live/`))
      return `the login there may change nothing outside of ${inspection.root}/live`
    if (path === file) {
      const other = leaf === undefined ? [] : namesIn(leaf).filter((name) => !covers(names.names, name))
      if (leaf === undefined || namesIn(leaf).length === 0) return `${path} holds no certificate`
      if (other.length > 0) return `${path} is for ${other.join(', ')}, too`
    }
    const shared = inspection.reads.find(
      (one) => one !== read && !strays.includes(one) && (one.key === path || one.file === path),
    )
    if (shared) return `${path} is read for ${shared.serverNames.join(' ') || 'another server'}, too`
  }
  return undefined
}

function namesIn(pem: string): readonly string[] {
  try {
    return readLeaf(pem).names
  } catch {
    return []
  }
}

function replacementsOf(
  { file }: NginxRead,
  paths: readonly string[],
  inspection: Inspection,
): Replacement[] {
  return paths.map((path) => {
    const kind = path === file ? 'fullchain' : 'privkey'
    return { path, kind, sha256: fileAt(path, inspection)!.sha256 }
  })
}
