import type { Leaf } from './certificate.ts'
import type { ErrorFacts } from './errors.ts'

/** Why something is of no use where it lies. */
export type PruneKind = 'old-version' | 'half-version' | 'orphan' | 'copy' | 'orphan-key'

/** What goes or stays as one. */
export type PruneTarget =
  /** `live/NAME`, `archive/NAME` and its renewal file, and links from elsewhere into it. */
  | { readonly is: 'lineage'; readonly name: string; readonly links: readonly string[] }
  | { readonly is: 'version'; readonly name: string; readonly number: number }
  | { readonly is: 'files'; readonly paths: readonly string[] }

/** What an audit found to be of no use on a node; whether something else uses it is for the node to say. */
export interface Candidate {
  readonly kind: PruneKind
  readonly target: PruneTarget
  /** Where: a path, or `/etc/letsencrypt/archive/NAME (version 2)`. */
  readonly label: string
  /** `certificate and key of www.example.com, expired 110 days ago`. */
  readonly what: string
  readonly because: string
  /** It is valid, and certs does not have it: from then on the backup alone does. */
  readonly lost: boolean
}

export interface Staying {
  readonly label: string
  readonly what?: string
  readonly because: string
  readonly hints: readonly string[]
}

/** One file, link or folder, as the node described it when it was asked: what goes must be just that. */
export interface PruneEntry {
  readonly type: 'file' | 'link' | 'folder' | 'other'
  readonly path: string
  /** The node's own words for it: type, mode, owner, sum, path, target. */
  readonly said: string
}

/** What a node said of its candidates, one for each in their order. */
export interface Weighed {
  readonly items: readonly {
    readonly entries: readonly PruneEntry[]
    /** Places that name it: configuration of other services, scripts, processes. */
    readonly named: readonly string[]
    /** Files in nginx's folder that name it and that nginx does not include. */
    readonly idle: readonly string[]
    /** Links in live that lead to it. */
    readonly led: readonly string[]
  }[]
  /** Backups that a run was cut off at; the next that may change things puts them back. */
  readonly unfinished: readonly string[]
  /** Why not everybody who may use it could be found. */
  readonly lacking?: string
}

export interface PruneItem extends Candidate {
  readonly entries: readonly PruneEntry[]
  readonly notes: readonly string[]
}

export interface NodePrune {
  readonly node: string
  readonly items: readonly PruneItem[]
  readonly stays: readonly Staying[]
  /** Why nothing goes there. */
  readonly refused?: { readonly because: string; readonly hints: readonly string[] }
  readonly unfinished: readonly string[]
  /** It could not be looked at. */
  readonly error?: ErrorFacts
}

/** What would go into a backup, on which node and why; its JSON is the command's. */
export interface PrunePlan {
  /** ISO 8601 UTC. */
  readonly at: string
  readonly keep: number
  readonly nodes: readonly NodePrune[]
}

/** What a node did with the items of its plan. */
export interface Pruned {
  readonly node: string
  /** Where it lies now; absent when nothing went. */
  readonly backup?: string
  /** Labels of what went. */
  readonly gone: readonly string[]
  /** What stayed after all, because it had changed or come into use meanwhile. */
  readonly kept: readonly { readonly label: string; readonly because: string }[]
  readonly error?: ErrorFacts
}

/** One backup on a node. */
export interface PruneBackup {
  readonly node: string
  readonly id: string
  /** A run was cut off at it. */
  readonly unfinished: boolean
  /** Files and links in it. */
  readonly files: number
  readonly bytes: number
}

/** `20261123T180459Z-3fa2c1`: when, and which run. */
export function backupId(run: string): string {
  return run.replaceAll(/(?<=\d)[-:](?=\d)/g, '')
}

/** ISO 8601 of a backup's name; undefined for a name that is not of ours. */
export function backupTime(id: string): string | undefined {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(id) ?? []
  return y === undefined ? undefined : `${y}-${mo}-${d}T${h}:${mi}:${s}Z`
}

/** By the lineage's name, its numbered siblings, or what the certificate is for. */
export function isWanted(
  names: readonly string[],
  lineage: string | undefined,
  leaf: Pick<Leaf, 'names'> | undefined,
): boolean {
  if (names.length === 0) return true
  const known = [lineage, lineage?.replace(/-\d{4}$/, ''), ...(leaf?.names ?? [])]
  return names.some((name) => known.includes(name))
}
