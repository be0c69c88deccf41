import type { Secret } from '../src/core/secret.ts'

/**
 * A DNS provider writes and removes TXT records, and nothing else. It is stateless: every record is found
 * again by name and value. All methods throw ProviderError with the zone or credential named, and end within
 * their deadline or when `signal` aborts.
 */
export interface Provider {
  /** Whether this account can write the zone (lower case, no trailing dot). Throws when it can't be known. */
  holdsZone(zone: string, signal: AbortSignal): Promise<boolean>
  /** Adds the value beside what is there. The same name and value already there is success. */
  create(record: TxtRecord, signal: AbortSignal): Promise<void>
  /** Removes exactly this value; other values at the name stay. Not there is success. */
  remove(record: TxtRecord, signal: AbortSignal): Promise<void>
}

export interface TxtRecord {
  /** The zone that holds the record, lower case, no trailing dot. */
  readonly zone: string
  /** Fully qualified, lower case, no trailing dot. */
  readonly name: string
  readonly value: string
}

/** What a provider takes in the configuration; config.ts builds its check from this. */
export interface ProviderDescription {
  readonly about: string
  readonly settings: Readonly<Record<string, Setting>>
  /** Loads the implementation when it is first used. Values are checked and secrets are resolved by then. */
  readonly load: () => Promise<(settings: Settings) => Provider>
}

export type Setting =
  | {
      readonly type: 'string' | 'secret' | 'number' | 'strings'
      readonly about: string
      readonly optional?: true
      /** Closed set of accepted strings. */
      readonly choices?: readonly string[]
      /** What stands in the example of `certs providers NAME`; not for a secret. */
      readonly example?: string | number | readonly string[]
    }
  | {
      readonly type: 'group'
      readonly about: string
      readonly optional?: true
      readonly settings: Readonly<Record<string, Setting>>
    }

export type SettingValue = string | number | Secret | readonly string[] | Settings | undefined
export interface Settings {
  readonly [name: string]: SettingValue
}
