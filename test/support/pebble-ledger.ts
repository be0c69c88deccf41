import type { Pebble } from '../lab/pebble.ts'

export interface Deeds {
  readonly accounts: number
  readonly orders: number
  readonly certificates: number
}

/** What pebble itself says that it did, counted from now on. */
export function createLedger(pebble: Pebble): () => Deeds {
  const from = pebble.log().length
  return () => {
    const said = pebble.log().slice(from)
    const count = (pattern: RegExp): number => said.match(pattern)?.length ?? 0
    return {
      accounts: count(/There are now \d+ accounts in memory/g),
      orders: count(/Added order "/g),
      certificates: count(/Issued certificate serial/g),
    }
  }
}
