import type { PublicVersion, Version } from '../core/certificate.ts'
import type { KeptKey } from '../core/kept-key.ts'

/**
 * Everything that must last, and the only way to write it. Small enough for a folder of files and for a
 * database table alike. Every write is durable (fsynced) when its promise resolves.
 *
 * Keys are `segment/segment…`, each segment matching `[A-Za-z0-9*_@][A-Za-z0-9*._@-]*`, without `..`.
 */
export interface Store extends AsyncDisposable {
  /** For messages: where this store is, as `/var/lib/certs`. */
  readonly place: string

  /** The document, or undefined when there is none. Throws StateError when it can't be read or is torn. */
  get<T>(key: string): Promise<Document<T> | undefined>
  /**
   * Writes when the document is still at `revision` (undefined: does not exist yet).
   * Returns the new revision. Throws StateError naming the key when somebody wrote in between.
   */
  put(key: string, value: unknown, revision: string | undefined): Promise<string>
  /** Removes the document; absent is success. */
  remove(key: string): Promise<void>
  /** Keys that start with `prefix/`, sorted. */
  list(prefix: string): Promise<string[]>

  /**
   * Adds an issued version; never changes one. Adding the same bytes under the same number again is success
   * (a run killed half-way), other bytes under an existing number are a StateError.
   */
  addVersion(version: Version): Promise<void>
  /** With its key, which is opened where it is sealed: throws ConfigError when there is no identity for it. */
  getVersion(certificate: string, number: number): Promise<Version | undefined>
  /** Needs no identity. */
  getPublicVersion(certificate: string, number: number): Promise<PublicVersion | undefined>
  /** Numbers of the complete versions, ascending. */
  listVersions(certificate: string): Promise<number[]>
  /**
   * The newest complete version of each of these certificates, without its key: what a decision needs about
   * thousands of them. A certificate of which there is nothing at all is left out.
   */
  newest(certificates: readonly string[]): Promise<ReadonlyMap<string, Newest>>
  /** The highest number in use, half-written ones included; 0 when none. */
  highestNumber(certificate: string): Promise<number>

  /** Every key of a version, complete or not, and how it lies there. Opens none. */
  listKeys(): Promise<StoredKey[]>
  /**
   * Writes a version's key anew as a new one would be written, in one step. Throws ConfigError or StateError, and the
   * key is as it was.
   */
  rewriteKey(certificate: string, number: number): Promise<void>
  /** How private keys in documents are kept. */
  readonly keys: Keys

  /** Appends one line to the journal; no outside effect happens before its line is durable. */
  append(entry: Entry): Promise<void>
  /** Oldest first. A line that was torn by a power cut at the very end is left out. */
  journal(): AsyncIterable<JournalLine>

  /**
   * Takes a lock that is freed when this process ends, however it ends. Throws LockedError at once when it
   * is held, naming the holder (pid, host), its command and since when.
   */
  lock(name: string, holder: Holder): Promise<AsyncDisposable>
}

/** Seals and opens the private keys that stand in documents; those of versions are sealed by the store itself. */
export interface Keys {
  /** Whether new keys are sealed. */
  readonly seals: boolean
  /** A private key (PKCS#8 PEM) as it is to be put into a document. Throws ConfigError without a fitting identity. */
  keep(pem: string): Promise<KeptKey>
  /** The PEM. Throws ConfigError without a fitting identity, StateError naming `place` when it is damaged. */
  open(kept: KeptKey, place: string): Promise<string>
  judge(kept: KeptKey): KeyForm
  /** Throws ConfigError unless the identity opens what is sealed now. */
  prove(): Promise<void>
}

export interface StoredKey {
  readonly certificate: string
  readonly number: number
  readonly form: KeyForm
}

/** How a key lies there; `sealed-otherwise`: to other recipients than configured, or to unknown ones. */
export type KeyForm = 'clear' | 'sealed' | 'sealed-otherwise'

export interface Newest {
  /** Absent when no version is complete. */
  readonly version?: { readonly number: number; readonly leaf: string }
  /** As `highestNumber` says. */
  readonly highest: number
}

export interface Document<T> {
  readonly value: T
  readonly revision: string
}

export interface Holder {
  /** The command line as a person typed it, without secrets: `certs rollout media.hachyderm.io`. */
  readonly command: string
  /** ISO 8601. */
  readonly since: string
}

/**
 * One thing that changed or was tried. `because` is why; `node` is absent for what happens at the CA or in DNS,
 * `certificate` for what concerns an account.
 */
export interface Entry {
  /** ISO 8601. */
  readonly at: string
  /** The same for all entries of one run. */
  readonly run: string
  readonly certificate?: string | undefined
  readonly node?: string | undefined
  readonly action: string
  /** `intent` before an act with an outside effect, then `done` or `failed`. */
  readonly phase: 'intent' | 'done' | 'failed'
  readonly because?: string | undefined
  /** Plain facts of the action: from, to, order, zone, value, error. Never a secret. */
  readonly facts?: Readonly<Record<string, string | number>> | undefined
}

/** An entry as it stands in the journal: numbered, and chained by the hash of the line before. */
export interface JournalLine extends Entry {
  readonly serial: number
  /** SHA-256 of the line before as it stands in the file; of the empty string for the first. */
  readonly previous: string
}
