import { addRefusal, beginAttempt, endAttempt, forgetFailures, undoAttempt } from './core/backoff.ts'
import type { Attempts } from './core/backoff.ts'
import { judgeBudget, judgeUsage, limitsOf } from './core/budget.ts'
import type { Limits, Spending } from './core/budget.ts'
import { AcmeError, CertsError } from './core/errors.ts'
import { sayInstant } from './core/duration.ts'
import { liftHold, mergeHolds } from './core/hold.ts'
import type { Hold } from './core/hold.ts'
import type { Budget } from './core/observed.ts'
import { openLedger } from './ledger.ts'
import type { Ledger } from './ledger.ts'
import type { Store } from './state/store.ts'

/** What outlasts a run, so that the next one has patience: failed attempts, orders sent, versions held back. */
export interface Memory {
  /** Lists once what there is, and reads a certificate's part when it is asked for; most have none. */
  recall(): Promise<(certificate: string) => Promise<Recollection>>
  /** What the CA at this directory allows, and what is used of it; undefined where its limits are not known. */
  budget(directory: string): Promise<Budget | undefined>
  /** Writes an order down before it is sent. Throws AcmeError when a limit of the CA is used up. */
  readonly beforeOrder: (order: Order) => Promise<void>
  /** Runs one issuance; what it comes to is remembered, and so is that it began when this process dies in it. */
  attempt<T>(certificate: string, act: (tries: Tries) => Promise<T>): Promise<T>
  hold(certificate: string, hold: Hold): Promise<void>
  /** From these nodes, or from all. */
  lift(certificate: string, nodes: readonly string[] | undefined): Promise<void>
}

/** What came of it at each CA that was tried. */
export interface Tries {
  /** Durable before the next one is tried, where the CA said for how long it refuses. */
  failed(directory: string, error: CertsError): Promise<void>
  issued(directory: string): void
}

export interface Recollection {
  readonly attempts?: Attempts | undefined
  readonly hold?: Hold | undefined
}

interface Order {
  readonly certificate: string
  readonly directory: string
  readonly names: readonly string[]
  readonly replaces: boolean
}

/** As far as it matters here; src/acme keeps it. */
interface OrderUnderWay {
  readonly directory: string
  readonly orderUrl?: string
}

export interface MemoryOptions {
  readonly store: Store
  readonly now: () => Date
  /** An attempt that is interrupted has not failed. */
  readonly signal: AbortSignal
  readonly limits?: (directory: string) => Limits | undefined
}

export function openMemory({ store, now, signal, limits = limitsOf }: MemoryOptions): Memory {
  const ledgers = new Map<string, Ledger>()
  const ledger = (directory: string): Ledger => {
    const known = ledgers.get(directory) ?? openLedger(store, directory, now)
    ledgers.set(directory, known)
    return known
  }

  /**
   * What became of the certificate's orders at each CA; undefined: it is still under way. There is one at most, the
   * last, so the others led to nothing.
   */
  const settle = async (
    certificate: string,
    endAt: (directory: string) => End | undefined,
  ): Promise<void> => {
    const isOpen = (one: Spending) => one.certificate === certificate && one.outcome === undefined
    for (const [directory, each] of ledgers) {
      const end = endAt(directory)
      if (!end || !(await each.read()).some(isOpen)) continue
      await each.update((spent) => {
        const last = spent.findLast(isOpen)
        return spent.map((one) => {
          if (!isOpen(one)) return one
          return one === last ? { ...one, ...end } : { ...one, outcome: 'nothing' }
        })
      })
    }
  }

  const settleFailed = async (
    certificate: string,
    errors: ReadonlyMap<string, CertsError>,
  ): Promise<void> => {
    const order = (await store.get<OrderUnderWay>(`orders/${certificate}`))?.value
    await settle(certificate, (directory) => {
      if (order?.orderUrl !== undefined && order.directory === directory) return undefined
      return failedAt(errors.get(directory))
    })
  }

  return {
    async recall() {
      const known = new Set(
        (await Promise.all(['attempts', 'held'].map((prefix) => store.list(prefix)))).flat(),
      )
      const read = async <T>(key: string) => (known.has(key) ? (await store.get<T>(key))?.value : undefined)
      return async (certificate) => ({
        attempts: await read<Attempts>(`attempts/${certificate}`),
        hold: await read<Hold>(`held/${certificate}`),
      })
    },

    async budget(directory) {
      const allowed = limits(directory)
      return allowed && { limits: allowed, spent: await ledger(directory).read() }
    },

    beforeOrder: async ({ certificate, directory, names, replaces }) => {
      const allowed = limits(directory)
      if (!allowed || (replaces && allowed.replacingIsFree)) return
      const { registeredDomains } = await import('./core/registered-domain.ts')
      const wish = { names, domains: registeredDomains(names) }
      await ledger(directory).update((spent) => {
        const used = judgeUsage(judgeBudget(wish, { limits: allowed, spent, now: now() }))
        if (used) throw refusal(certificate, used, now())
        return [...spent, { at: now().toISOString(), certificate, ...wish }]
      })
    },

    async attempt(certificate, act) {
      const key = `attempts/${certificate}`
      const [before, order] = await Promise.all([
        store.get<Attempts>(key),
        store.get<OrderUnderWay>(`orders/${certificate}`),
      ])
      if (order && limits(order.value.directory)) ledger(order.value.directory)
      let began = beginAttempt(before?.value, now())
      let revision = await store.put(key, began, before?.revision)
      const write = async (attempts: Attempts | undefined) => {
        if (attempts) revision = await store.put(key, attempts, revision)
        else await store.remove(key)
      }
      const errors = new Map<string, CertsError>()
      let issuedBy: string | undefined
      const issued: Tries['issued'] = (directory) => void (issuedBy = directory)
      const failed: Tries['failed'] = async (directory, error) => {
        errors.set(directory, error)
        const waitMs = error instanceof AcmeError ? error.retryAfterMs : undefined
        if (waitMs === undefined || signal.aborted) return
        began = addRefusal(began, directory, { because: error.message, waitMs, now: now() })
        await write(began)
      }
      // What can't be written in the end stands as it was begun, which errs on the side of patience.
      try {
        const done = await act({ failed, issued })
        const endAt = (directory: string): End =>
          directory === issuedBy ? { outcome: 'issued' } : failedAt(errors.get(directory))
        await Promise.allSettled([settle(certificate, endAt), write(forgetFailures(began, now()))])
        return done
      } catch (error) {
        const because = error instanceof CertsError ? error.message : 'a fault of certs itself'
        const after = signal.aborted
          ? undoAttempt(before?.value, began, now())
          : endAttempt(began, now(), because)
        await Promise.allSettled([write(after), settleFailed(certificate, errors)])
        throw error
      }
    },

    async hold(certificate, hold) {
      const found = await store.get<Hold>(`held/${certificate}`)
      await store.put(`held/${certificate}`, mergeHolds(found?.value, hold), found?.revision)
    },

    async lift(certificate, nodes) {
      const found = await store.get<Hold>(`held/${certificate}`)
      const left = found && liftHold(found.value, nodes)
      if (left) await store.put(`held/${certificate}`, left, found.revision)
      else if (found) await store.remove(`held/${certificate}`)
    },
  }
}

type End = Pick<Spending, 'outcome' | 'failed'>

function failedAt(error: CertsError | undefined): End {
  const problems = error instanceof AcmeError ? error.subproblems : []
  return { outcome: 'nothing', failed: problems.flatMap(({ identifier }) => identifier ?? []) }
}

function refusal(
  certificate: string,
  { because, until }: { because: string; until: string },
  now: Date,
): AcmeError {
  return new AcmeError(`ordering ${certificate} was not tried: ${because}`, {
    type: 'rateLimited',
    retryAfterMs: Date.parse(until) - now.getTime(),
    hint: `run it again after ${sayInstant(until)}: the CA would refuse before`,
  })
}
