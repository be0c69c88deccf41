import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issue } from '../../src/acme/issue.ts'
import type { Pace } from '../../src/acme/pace.ts'
import { sweepTxt } from '../../src/acme/sweep.ts'
import type { AcmeSettings } from '../../src/core/acme.ts'
import type { Certificate, ChallengeMethod, KeyType, Version } from '../../src/core/certificate.ts'
import type { Event } from '../../src/core/event.ts'
import type { Solver } from '../../src/dns/solver.ts'
import { openFiles } from '../../src/state/files.ts'
import type { Store } from '../../src/state/store.ts'

export function certificateOf(
  names: readonly string[],
  {
    key = 'ecdsa-p256',
    method = 'dns-01',
  }: { readonly key?: KeyType; readonly method?: ChallengeMethod } = {},
): Certificate {
  const name = (names[0] ?? '').replace('*.', '')
  return { name, names, challenge: method, dns: 'test', nodes: [], key, verifyNames: names, probes: [] }
}

export interface IssuingOptions {
  readonly names: readonly string[]
  readonly key?: KeyType
  readonly method?: ChallengeMethod
  readonly acme: AcmeSettings
  readonly solver: Solver
  readonly pace?: Partial<Pace>
  readonly signal?: AbortSignal
  readonly number?: number
  readonly onEvent?: (event: Event) => void
}

/** A controller's state in a folder, temporary unless it is given, and what was said while issuing with it. */
export interface Controller extends AsyncDisposable {
  readonly store: Store
  readonly folder: string
  readonly events: Event[]
  issue(options: IssuingOptions): Promise<Version>
  sweep(solver: Solver): Promise<void>
  kinds(): string[]
}

export async function createController(given?: string): Promise<Controller> {
  const folder = given ?? (await mkdtemp(join(tmpdir(), 'certs-issuing-')))
  const store = await openFiles(join(folder, 'state'))
  const events: Event[] = []
  const common = { store, now: () => new Date(), run: 'test' }
  return {
    store,
    folder,
    events,
    kinds: () => events.map(({ kind }) => kind).filter((kind) => kind !== 'propagation'),
    issue: async ({ names, key, method, acme, solver, pace, signal, number, onEvent }) => {
      const certificate = certificateOf(names, { ...(key && { key }), ...(method && { method }) })
      const emit = (event: Event): void => {
        events.push(event)
        onEvent?.(event)
      }
      const next = number ?? (await store.highestNumber(certificate.name)) + 1
      const deps = { ...common, solver, emit, signal: signal ?? new AbortController().signal, pace }
      return issue({ certificate, number: next, acme }, deps)
    },
    sweep: (solver) => sweepTxt({ ...common, solver, emit: (event) => void events.push(event) }),
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]()
      if (given === undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}
