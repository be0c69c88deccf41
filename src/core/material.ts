import type { Leaf } from './certificate.ts'
import type { ConfigurationFile } from './nginx-configuration.ts'

/** One path to a file with a certificate or a key in it. */
export interface MaterialFile {
  readonly path: string
  /** Of the file itself: paths with the same identity are links to one file. */
  readonly id: string
  /** Octal, as `600`; of the file, not of a link to it. */
  readonly mode: string
  /** `user:group`. */
  readonly owner: string
  /** Where a link points, as readlink says it. */
  readonly target?: string
  /** The first certificate in it. */
  readonly certificate?: FoundCertificate
  /** There is a private key in it. */
  readonly key?: FoundKey
}

export type FoundCertificate = Leaf & { readonly authority: boolean; readonly selfSigned: boolean }

export interface FoundKey {
  /** As in a Leaf; absent where the key is under a password or the node has no openssl. */
  readonly spki?: string
}

/** What one node holds of certificates, keys and what uses and renews them. */
export interface Material {
  readonly node: string
  /** The node's clock, ISO 8601 UTC. */
  readonly clock: string
  readonly system: string
  readonly nginx: {
    /** It is a service of the node; else it was not asked. */
    readonly configured: boolean
    readonly installed: boolean
    readonly running: boolean
    readonly test: { readonly ok: boolean; readonly output: string }
    /** As `nginx -T` printed it, the main file first; empty when the test fails. */
    readonly configuration: readonly ConfigurationFile[]
  }
  /** Files and folders that the configuration of other services names; `at` is `file:line`. */
  readonly named: readonly { readonly path: string; readonly at: string }[]
  readonly files: readonly MaterialFile[]
  /** Modes of the folders on the way to them, octal. */
  readonly folders: Readonly<Record<string, string>>
  /** certbot's root. */
  readonly root: string
  /** What renews certificates by itself. */
  readonly renewers: {
    readonly timers: readonly string[]
    /** Entries of cron: the program, and `file:line`. */
    readonly cron: readonly { readonly program: string; readonly at: string }[]
    /** Lineages with a file in certbot's `renewal`. */
    readonly lineages: readonly string[]
  }
  /** Why not all was seen. */
  readonly lacking?: string
}
