import type { ArchiveKind, FileKind, Leaf } from './certificate.ts'
import type { Services } from './serving.ts'

/** Where TLS is spoken by a node. `via: 'ssh'` goes through the node's SSH connection, seen from the node. */
export interface Endpoint {
  /** An IP address or a host name; never empty. */
  readonly address: string
  readonly port: number
  readonly via: 'direct' | 'ssh'
  /** The protocol that is spoken in the clear until TLS begins; absent: TLS from the first byte. */
  readonly starttls?: Starttls
}

export const starttlsProtocols = ['smtp', 'imap', 'pop3'] as const
export type Starttls = (typeof starttlsProtocols)[number]

/** How a node is logged in to. */
export interface SshTarget {
  readonly address: string
  readonly port: number
  readonly user: string
  /** Path of a private key file, or `agent` for the agent at SSH_AUTH_SOCK. */
  readonly identity: string
  /** Path of the known_hosts file. */
  readonly knownHosts: string
}

/** A machine we deploy to, with every default filled in. */
export interface Node {
  readonly name: string
  readonly groups: readonly string[]
  /** Undefined: the node is the machine that certs runs on, and nobody logs in. */
  readonly ssh: SshTarget | undefined
  /** Run the node program as root through `sudo -n`. */
  readonly sudo: boolean
  /** Hops before the node, the first one first. Each has its own host key and login. */
  readonly jump: readonly (SshTarget & { readonly name: string })[]
  /** certbot's root, usually /etc/letsencrypt; holds `live` and `archive`. */
  readonly root: string
  /** At least one. */
  readonly services: Services
}

/** A node that is logged in to. */
export type RemoteNode = Node & { readonly ssh: SshTarget }

export function isRemote(node: Node): node is RemoteNode {
  return node.ssh !== undefined
}

export type LiveEntry =
  | { readonly is: 'missing' }
  /** `target` as readlink says it; `number` when it is `…/archive/NAME/KINDN.pem`; `sha256` of what it leads to. */
  | { readonly is: 'link'; readonly target: string; readonly number?: number; readonly sha256?: string }
  | { readonly is: 'file'; readonly sha256: string }
  | { readonly is: 'other' }

export interface ArchiveFile {
  readonly kind: ArchiveKind
  readonly number: number
  readonly sha256: string
  /** Octal, as `600`. */
  readonly mode: string
  /** `user:group`. */
  readonly owner: string
}

/** A folder as it lies there, not followed when it is a link. */
export interface Folder {
  /** `.`, `live`, `archive`, `live/NAME` or `archive/NAME`: below the root. */
  readonly path: string
  readonly is: 'directory' | 'link' | 'other'
  /** Where a link points. */
  readonly target?: string
  /** Octal, as `755`. */
  readonly mode: string
  /** `user:group`. */
  readonly owner: string
  /** It belongs neither to root nor to whom the program runs as. */
  readonly foreign: boolean
}

/** What one node holds on disk for one certificate. */
export interface Lineage {
  readonly certificate: string
  /** `combined` where it is there. */
  readonly live: Readonly<Record<FileKind, LiveEntry>> & { readonly combined?: LiveEntry }
  /** Whether `live/NAME` is a directory, and not a link to one. */
  readonly liveDirectory: 'missing' | 'directory' | 'link' | 'other'
  /** Those there are of the five that lead to it. */
  readonly folders: readonly Folder[]
  readonly archive: readonly ArchiveFile[]
  /** Names in archive/NAME and live/NAME that follow no known pattern. */
  readonly odd: readonly string[]
  /** The PEM that live/NAME/cert.pem (or the first block of fullchain.pem) leads to; absent when nothing does. */
  readonly leaf?: string
  /** Whether live's key and live's fullchain belong together; `unknown` without openssl on the node. */
  readonly pair: 'matches' | 'differs' | 'unknown'
  /** A certbot renewal file for this name exists. */
  readonly renewalFile: boolean
  /** Lineages that certbot made for the same name, as `NAME-0001`. */
  readonly siblings: readonly { readonly name: string; readonly renewalFile: boolean }[]
}

/** How a service is found on a node. */
export interface ServiceState {
  /** As systemd calls it. */
  readonly unit: string
  readonly installed: boolean
  /** One of the user's own that systemd does not know counts as running. */
  readonly running: boolean
  /** It reads `live/NAME/combined.pem`. */
  readonly combined: boolean
  /** The configured test, run as things are. `command` is what was run, for people. */
  readonly test: { readonly command: string; readonly ok: boolean; readonly output: string }
}

export interface NginxRead {
  readonly file: string
  /** The `ssl_certificate_key` that goes with it. */
  readonly key?: string
  readonly serverNames: readonly string[]
}

/** A file as it lies there. */
export interface ReadElsewhere {
  /** As the configuration names it. */
  readonly path: string
  /** Where its links lead: into live, as `live/NAME/fullchain.pem`, or to their end. */
  readonly leadsTo: string
  readonly sha256: string
  /** The first certificate in it, PEM. */
  readonly leaf?: string
  /** A folder on the way to it that others than root may change. */
  readonly loose?: string
}

/** What `inspect` saw inside a node. */
export interface Inspection {
  /** The program is installed there, for a login that can do nothing else; absent where it was sent along. */
  readonly program?: 'installed' | 'outdated'
  /** certbot's root there. */
  readonly root: string
  /** The node's clock, ISO 8601 UTC. */
  readonly clock: string
  readonly system: string
  /** By name, as the node is configured. */
  readonly services: Readonly<Record<string, ServiceState>>
  /** Each `ssl_certificate` nginx is configured with and the server names beside it; empty when unknown. */
  readonly reads: readonly NginxRead[]
  /** Files among them that are read for names of ours, and not from live/NAME; as far as that was asked. */
  readonly elsewhere: readonly ReadElsewhere[]
  /** certbot's timer or cron entry is active. */
  readonly certbot: { readonly timer: boolean; readonly cron: boolean }
  readonly disk: { readonly freeBytes: number; readonly freeInodes: number; readonly writable: boolean }
  /** How live can be switched: the directory exchange by this interpreter, or one link after the other. */
  readonly exchange: 'perl' | 'python3' | 'none'
  readonly lineages: Readonly<Record<string, Lineage>>
}

/** What one handshake showed, for one endpoint and one name. */
export interface Served {
  readonly endpoint: Endpoint
  /** The SNI. */
  readonly name: string
  /** Absent when no certificate came. */
  readonly leaf?: Leaf
  /** SHA-256 fingerprints of the certificates sent after the leaf, in the order sent. */
  readonly chain?: readonly string[]
  /** Why no certificate came, one line. */
  readonly error?: string
}

export interface ProbeResult {
  readonly url: string
  readonly endpoint: Endpoint
  readonly ok: boolean
  /** SHA-256 of the leaf that this connection showed; absent when no answer came. */
  readonly leafFingerprint?: string
  /** `200 image/png, 4.1 kB` or the reason. */
  readonly said: string
}
