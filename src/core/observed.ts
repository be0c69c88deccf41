import type { Suggestion } from './ari.ts'
import type { Attempts } from './backoff.ts'
import type { Limits, Spending } from './budget.ts'
import type { ErrorFacts } from './errors.ts'
import type { Hold } from './hold.ts'
import type { Inspection, Served } from './node.ts'
import type { VersionFacts } from './version.ts'
import type { Withdrawal } from './withdrawal.ts'

/** What one node showed: looked into over SSH and at over TLS. */
export interface NodeObservation {
  readonly inspection?: Inspection
  /** Why it could not be inspected. */
  readonly error?: ErrorFacts
  /** Handshakes by certificate name. */
  readonly served: Readonly<Record<string, readonly Served[]>>
}

/** Where an identifier's TXT record goes or stands, or why it can't be proved. */
export type ChallengeObservation =
  | { readonly identifier: string; readonly name: string; readonly zone: string; readonly provider: string }
  | PersistObservation
  | { readonly identifier: string; readonly error: ErrorFacts }

/** Nothing will be written for dns-persist-01: a record stands there. */
export interface PersistObservation {
  readonly identifier: string
  readonly name: string
  readonly zone: string
  /** The TXT value; absent where the CA could not be asked what it wants. */
  readonly stands?: string
  /** What may disturb it, now or later. */
  readonly note?: ErrorFacts
}

/** What was found out before anything is ordered. */
export interface Preflight {
  /** Each would make an order fail, or must not lead to one. */
  readonly refusals: readonly ErrorFacts[]
  /** What may disturb it. */
  readonly warnings: readonly ErrorFacts[]
}

export interface CertificateObservation {
  /** Complete stored versions, ascending: the newest, or all where older ones are asked for. */
  readonly versions: readonly VersionFacts[]
  /** The highest number the store has in use, half-written versions included. */
  readonly highest: number
  /** The order that an earlier run left unfinished, and the number its version was to have. */
  readonly underway?: { readonly number: number; readonly url?: string }
  readonly challenges: readonly ChallengeObservation[]
  /** Why the store can't say what it holds. */
  readonly fault?: ErrorFacts | undefined
  /** Attempts that failed since the last version. */
  readonly attempts?: Attempts | undefined
  readonly hold?: Hold | undefined
  readonly withdrawal?: Withdrawal | undefined
  /** What the CA says of the newest version, where it says something. */
  readonly suggestion?: Suggestion | undefined
  /** The registered domains of its names, where a version is due and the CA counts by them. */
  readonly domains?: readonly string[] | undefined
  /** Absent where nothing is to be issued. */
  readonly preflight?: Preflight
}

export interface Observed {
  readonly now: Date
  readonly nodes: Readonly<Record<string, NodeObservation>>
  readonly certificates: Readonly<Record<string, CertificateObservation>>
  /** Of the CA, where its limits are known. */
  readonly budget?: { readonly limits: Limits; readonly spent: readonly Spending[] } | undefined
}
