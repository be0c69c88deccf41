import type { PlacedRecord } from '../dns/solver.ts'
import { sayError, type IssueDeps, journaled } from './issuance.ts'

type TxtDeps = Pick<IssueDeps, 'store' | 'solver' | 'emit' | 'now' | 'run'>

interface Scope {
  readonly certificate: string
  readonly signal: AbortSignal
}

/** Creates all records, whose intents are stored by now. Returns or throws only when none is being created any more. */
export async function createTxt(
  deps: TxtDeps,
  records: readonly PlacedRecord[],
  scope: Scope,
): Promise<void> {
  const { certificate, signal } = scope
  const outcomes = await eachName(records, async (record) => {
    await journaled(deps, { certificate, action: 'txt-create', facts: factsOf(record) }, () =>
      deps.solver.create(record, signal),
    )
    deps.emit({ kind: 'txt-created', certificate, name: record.name, provider: record.provider })
  })
  const failed = outcomes.find(({ error }) => error !== undefined)
  if (failed !== undefined) throw failed.error
}

/**
 * Removes records by value and returns those that may still be there, each said in a warning. Never throws for a
 * provider's failure: what went wrong before counts more.
 */
export async function removeTxt(
  deps: TxtDeps,
  records: readonly PlacedRecord[],
  scope: Scope,
): Promise<PlacedRecord[]> {
  const { certificate, signal } = scope
  const outcomes = await eachName(records, async (record) => {
    await journaled(deps, { certificate, action: 'txt-remove', facts: factsOf(record) }, () =>
      deps.solver.remove(record, signal),
    )
    deps.emit({ kind: 'txt-removed', certificate, name: record.name })
  })
  return outcomes.flatMap(({ record, error }) => {
    if (error === undefined) return []
    const message = `TXT ${record.name} "${record.value}" is still in DNS and is removed by the next run: ${sayError(error)}`
    deps.emit({ kind: 'warning', certificate, message })
    return [record]
  })
}

export function sameRecord(a: PlacedRecord, b: PlacedRecord): boolean {
  return a.provider === b.provider && a.zone === b.zone && a.name === b.name && a.value === b.value
}

/** `a`, and what of `b` is not in it. */
export function mergeRecords(a: readonly PlacedRecord[], b: readonly PlacedRecord[]): PlacedRecord[] {
  return [...a, ...b.filter((record) => !a.some((other) => sameRecord(record, other)))]
}

interface Outcome {
  readonly record: PlacedRecord
  readonly error?: unknown
}

/** All names at once, the values of one name one after the other: some providers' APIs write a name as a whole. */
async function eachName(
  records: readonly PlacedRecord[],
  act: (record: PlacedRecord) => Promise<void>,
): Promise<Outcome[]> {
  const names = Map.groupBy(records, ({ name }) => name)
  const outcomes = [...names.values()].map(async (group) => {
    const done: Outcome[] = []
    for (const record of group) {
      const error: unknown = await act(record).then(
        () => undefined,
        (reason: unknown) => reason ?? new Error('failed'),
      )
      done.push({ record, error })
    }
    return done
  })
  return (await Promise.all(outcomes)).flat()
}

function factsOf({ name, value, zone, provider }: PlacedRecord): Record<string, string> {
  return { name, value, zone, provider }
}
