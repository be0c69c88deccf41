import type { Provider, TxtRecord } from './provider.ts'
import { createTurns } from './turns.ts'
import { unquoteTxt } from './txt.ts'

/** Does something at an API, again when it fails in passing; `call` is how it asks (see api.ts). */
export interface Runner<Call> {
  run<T>(what: string, signal: AbortSignal, operation: (call: Call) => Promise<T>): Promise<T>
}

/** The TXT records at one name. An entry is one of them as the API shows it. */
export interface RecordSet<Entry> {
  readonly entries: readonly Entry[]
  /** Seconds; undefined when there is no set yet. */
  readonly ttl: number | undefined
}

/** An API that reads and replaces whole record sets. */
export interface RecordSets<Call, Entry> {
  /** Without entries when there is no set. */
  read(call: Call, record: TxtRecord): Promise<RecordSet<Entry>>
  /** Puts `after` in the place of `before`; without entries, removes the set. */
  write(call: Call, record: TxtRecord, change: Replacement<Entry>): Promise<void>
  /** TXT data of an entry, plain or in quotes. */
  data(entry: Entry): string
  entry(value: string): Entry
  /** What is changed by one call at a time: the name, unless given. */
  turn?(record: TxtRecord): string
}

export interface Replacement<Entry> {
  readonly before: RecordSet<Entry>
  /** With the TTL of `before`, for it may be somebody else's. */
  readonly after: RecordSet<Entry>
}

/**
 * Read, change, write: one call at a time, or an apex and its wildcard would overwrite each other. Entries of
 * others are written back as they were read.
 */
export function changeRecordSets<Call, Entry>(
  api: Runner<Call>,
  sets: RecordSets<Call, Entry>,
): Pick<Provider, 'create' | 'remove'> {
  const inTurn = createTurns()
  const turn = (record: TxtRecord): string => sets.turn?.(record) ?? record.name
  const holds = (entry: Entry, { value }: TxtRecord): boolean => unquoteTxt(sets.data(entry)) === value

  return {
    create: (record, signal) =>
      inTurn(turn(record), () =>
        api.run(`adding TXT ${record.name}`, signal, async (call) => {
          const before = await sets.read(call, record)
          if (before.entries.some((entry) => holds(entry, record))) return
          const entries = [...before.entries, sets.entry(record.value)]
          await sets.write(call, record, { before, after: { ...before, entries } })
        }),
      ),
    remove: (record, signal) =>
      inTurn(turn(record), () =>
        api.run(`removing TXT ${record.name}`, signal, async (call) => {
          const before = await sets.read(call, record)
          const entries = before.entries.filter((entry) => !holds(entry, record))
          if (entries.length === before.entries.length) return
          await sets.write(call, record, { before, after: { ...before, entries } })
        }),
      ),
  }
}
