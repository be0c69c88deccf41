import { stillCounting } from './core/budget.ts'
import type { Spending } from './core/budget.ts'
import { sha256 } from './core/certificate.ts'
import type { Store } from './state/store.ts'

/** The orders sent to one CA in the last week: the document `budget/<directory>`. */
export interface Ledger {
  read(): Promise<readonly Spending[]>
  /**
   * Changes the list; durable when it resolves. Changes that come while one is being written are written together,
   * so that twenty certificates issued side by side cost few writes. `change` may throw to refuse: then nothing changes.
   */
  update(change: (spent: readonly Spending[]) => readonly Spending[]): Promise<void>
}

interface Sheet {
  readonly directory: string
  readonly spent: readonly Spending[]
}

export function openLedger(store: Store, directory: string, now: () => Date): Ledger {
  const key = keyOf(directory)
  let loading: Promise<void> | undefined
  let spent: readonly Spending[] = []
  let revision: string | undefined
  let writing: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined

  const load = async (): Promise<void> => {
    const found = await store.get<Sheet>(key)
    spent = found?.value.spent ?? []
    revision = found?.revision
  }
  const write = async (): Promise<void> => {
    next = undefined
    const sheet: Sheet = { directory, spent: stillCounting(spent, now()) }
    revision = await store.put(key, sheet, revision)
  }

  return {
    async read() {
      await (loading ??= load())
      return spent
    },
    async update(change) {
      await (loading ??= load())
      spent = change(spent)
      next ??= writing = writing.then(write, write)
      return next
    },
  }
}

/** Readable by a person, and distinct where directories are. */
function keyOf(directory: string): string {
  const host = new URL(directory).hostname.replaceAll(/[^a-z0-9.-]|\.\.+|^[^a-z0-9]/g, '_')
  return `budget/${host}-${sha256(directory).slice(0, 12)}`
}
