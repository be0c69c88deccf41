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

/** What was found out about one CA and one certificate, as far as it was asked. */
export interface CaLook {
  readonly directory: string
  /** Why it can't be asked. */
  readonly down?: ErrorFacts | undefined
  /** What it would refuse, and another CA may not. */
  readonly refusals: readonly ErrorFacts[]
  /** What a person must mend: another CA is no way out. */
  readonly faults: readonly ErrorFacts[]
  readonly warnings: readonly ErrorFacts[]
  /** Records that stand for dns-persist-01, which are for one CA. */
  readonly standing?: readonly ChallengeObservation[]
}

/** The order that an earlier run left unfinished. */
export interface OrderUnderWay {
  /** Which its version was to have. */
  readonly number: number
  /** URL of the CA's directory. */
  readonly directory: string
  /** The CA has told the order's URL. */
  readonly ordered: boolean
  /** The CA may have issued a certificate for it. */
  readonly finalizing: boolean
}

export interface CertificateObservation {
  /** Complete stored versions, ascending: the newest, or all where older ones are asked for. */
  readonly versions: readonly VersionFacts[]
  /** The highest number the store has in use, half-written versions included. */
  readonly highest: number
  readonly underway?: OrderUnderWay
  readonly challenges: readonly ChallengeObservation[]
  /** Why the store can't say what it holds. */
  readonly fault?: ErrorFacts | undefined
  /** Attempts that failed since the last version. */
  readonly attempts?: Attempts | undefined
  readonly hold?: Hold | undefined
  readonly withdrawal?: Withdrawal | undefined
  /** Directory of the CA that issued the newest version; absent where it is not on record: then the first CA is. */
  readonly issuedBy?: string | undefined
  /** What its CA says of the newest version, where it says something. */
  readonly suggestion?: Suggestion | undefined
  /** The registered domains of its names, where a version is due and a CA counts by them. */
  readonly domains?: readonly string[] | undefined
  /** What DNS shows; absent where nothing is to be issued. */
  readonly preflight?: Preflight
  /** Of the CAs that may be used for it, the first first; one after which none is needed is the last. */
  readonly looks?: readonly CaLook[]
}

/** A configured CA. */
export interface CaState {
  readonly name: string
  /** URL of its directory. */
  readonly directory: string
  /** Where its limits are known. */
  readonly budget?: Budget | undefined
}

export interface Budget {
  readonly limits: Limits
  readonly spent: readonly Spending[]
}

export interface Observed {
  readonly now: Date
  readonly nodes: Readonly<Record<string, NodeObservation>>
  readonly certificates: Readonly<Record<string, CertificateObservation>>
  /** In the order of their use. */
  readonly cas: readonly CaState[]
}
