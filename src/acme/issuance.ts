import type { Emit } from '../core/event.ts'
import type { Solver } from '../dns/solver.ts'
import type { Entry, Store } from '../state/store.ts'
import { CertsError } from '../core/errors.ts'
import type { Pace } from './pace.ts'

/** What issuing works with. Nothing here is a global: time, dice and environment come in. */
export interface IssueDeps {
  readonly store: Store
  readonly solver: Solver
  readonly emit: Emit
  readonly now: () => Date
  readonly signal: AbortSignal
  /** The same for all journal entries of one run. */
  readonly run: string
  /** Overrides of the default deadlines. */
  readonly pace?: Partial<Pace> | undefined
  /**
   * Told of each order right before it is sent to the CA, so that it counts against the CA's limits whatever happens
   * then. Throws to refuse it.
   */
  readonly beforeOrder?: ((order: OrderNotice) => Promise<void>) | undefined
}

export interface OrderNotice {
  readonly certificate: string
  /** URL of the CA's directory. */
  readonly directory: string
  readonly names: readonly string[]
  /** It names the certificate it replaces (RFC 9773 section 5), which exempts it from limits at some CAs. */
  readonly replaces: boolean
}

export type JournalDeps = Pick<IssueDeps, 'store' | 'now' | 'run'>

export interface Act {
  /** Absent for what concerns an account. */
  readonly certificate?: string
  readonly action: string
  readonly because?: string
  readonly facts?: Entry['facts']
}

/** Does one thing with an outside effect between the journal's `intent` and its `done` or `failed`. */
export async function journaled<T>(
  { store, now, run }: JournalDeps,
  act: Act,
  effect: () => Promise<T>,
): Promise<T> {
  const write = (phase: Entry['phase'], facts = act.facts): Promise<void> =>
    store.append({ at: now().toISOString(), run, ...act, facts, phase })
  await write('intent')
  try {
    const result = await effect()
    await write('done')
    return result
  } catch (error) {
    // The first error is the one that counts, even when the journal's disk is full as well.
    await write('failed', { ...act.facts, error: sayError(error) }).catch(() => undefined)
    throw error
  }
}

/** An error in one line. What is not an error of ours may hold anything, so only its name is told. */
export function sayError(error: unknown): string {
  if (error instanceof CertsError) return error.message
  return error instanceof Error ? `unexpected ${error.name}` : 'unexpected error'
}
