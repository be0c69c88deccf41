import type { Standing } from '../core/persist-finding.ts'

/** How a DNS challenge is solved: the seam between an ACME order and DNS (RFC 8555 section 8.4). */
export interface Solver {
  /**
   * Where the TXT record of an identifier belongs: `_acme-challenge.NAME` with CNAMEs followed, the zone that
   * is authoritative for it, and the configured provider that holds this zone. Reads only.
   * Throws ProviderError: loop, dangling delegation, no provider for the zone, wildcard-only name.
   */
  locate(identifier: string, signal: AbortSignal): Promise<Place>
  /**
   * What stands under `_validation-persist.NAME`, CNAMEs followed, for a dns-persist-01 challenge: nothing is written
   * for it. Throws ProviderError: loop, dangling delegation, no zone, no server that answers, wildcard-only name.
   */
  standing(identifier: string, signal: AbortSignal): Promise<Standing>
  create(record: PlacedRecord, signal: AbortSignal): Promise<void>
  /** Resolves when every address of every authoritative server of the zone says the value of each record. */
  waitUntilSeen(records: readonly PlacedRecord[], options: WaitOptions): Promise<void>
  remove(record: PlacedRecord, signal: AbortSignal): Promise<void>
}

export interface Place {
  readonly zone: string
  /** Fully qualified, where the chain of CNAMEs ends, lower case, no trailing dot. */
  readonly name: string
  /** Key into the configuration's `dns`. */
  readonly provider: string
}

/** Plain data: it is stored as an intent before it is created, and removed from that after a crash. */
export interface PlacedRecord extends Place {
  readonly value: string
}

export interface WaitOptions {
  readonly signal: AbortSignal
  readonly deadlineMs: number
  readonly onProgress: (seen: number, servers: number) => void
}
