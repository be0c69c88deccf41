import type { ErrorFacts } from './errors.ts'
import type { Inspection, Served } from './node.ts'
import type { VersionFacts } from './version.ts'

/** What one node showed: looked into over SSH and at over TLS. */
export interface NodeObservation {
  readonly inspection?: Inspection
  /** Why it could not be inspected. */
  readonly error?: ErrorFacts
  /** Handshakes by certificate name. */
  readonly served: Readonly<Record<string, readonly Served[]>>
}

/** Where an identifier's TXT record goes, or why nowhere. */
export type ChallengeObservation =
  | { readonly identifier: string; readonly name: string; readonly zone: string; readonly provider: string }
  | { readonly identifier: string; readonly error: ErrorFacts }

export interface CertificateObservation {
  /** Complete stored versions, ascending. */
  readonly versions: readonly VersionFacts[]
  /** The highest number the store has in use, half-written versions included. */
  readonly highest: number
  /** The order that an earlier run left unfinished, and the number its version was to have. */
  readonly underway?: { readonly number: number; readonly url?: string }
  readonly challenges: readonly ChallengeObservation[]
}

export interface Observed {
  readonly now: Date
  readonly nodes: Readonly<Record<string, NodeObservation>>
  readonly certificates: Readonly<Record<string, CertificateObservation>>
}
