import { rotateAccountKey } from '../../src/acme/account-rotation.ts'
import { issue } from '../../src/acme/issue.ts'
import type { IssueDeps } from '../../src/acme/issuance.ts'
import type { AcmeSettings } from '../../src/core/acme.ts'
import { openFiles } from '../../src/state/files.ts'
import type { Store } from '../../src/state/store.ts'
import { type ChallengeDns, createChallengeSolver } from './challenge-solver.ts'
import { certificateOf } from './issuing.ts'

/** One run that kills itself with SIGKILL where it is told to; its only argument is this, as JSON. */
export interface ChildOrder {
  readonly folder: string
  readonly directory: string
  readonly caBundle: string
  readonly dns: ChallengeDns
  readonly names: readonly string[]
  /** Gives the account a new key instead of ordering. */
  readonly rotate?: boolean
  /** The first event of this kind. */
  readonly killAtEvent?: string
  /** Counts what lies before and after each durable write and each DNS change, from 1. */
  readonly killAtCheckpoint?: number
}

const order = JSON.parse(process.argv[2] ?? '') as ChildOrder
let checkpoints = 0

function checkpoint(): void {
  if (++checkpoints === order.killAtCheckpoint) process.kill(process.pid, 'SIGKILL')
}

function watched<T extends object>(target: T, methods: readonly (keyof T)[]): T {
  return new Proxy(target, {
    get: (object, name) => {
      const value: unknown = Reflect.get(object, name)
      if (typeof value !== 'function' || !methods.some((method) => method === name)) return value
      return async (...values: unknown[]): Promise<unknown> => {
        checkpoint()
        const result: unknown = await Reflect.apply(value, object, values)
        checkpoint()
        return result
      }
    },
  })
}

const store: Store = await openFiles(`${order.folder}/state`)
const solver = createChallengeSolver(order.dns)
const certificate = certificateOf(order.names)
const acme: AcmeSettings = { directory: order.directory, contact: [], caBundle: order.caBundle }
const deps: IssueDeps = {
  store: watched(store, ['put', 'remove', 'append', 'addVersion']),
  solver: watched(solver, ['create', 'remove']),
  emit: ({ kind }) => {
    if (kind === order.killAtEvent) process.kill(process.pid, 'SIGKILL')
  },
  now: () => new Date(),
  signal: new AbortController().signal,
  run: 'child',
}
const number = (await store.highestNumber(certificate.name)) + 1
await (order.rotate ? rotateAccountKey(deps, acme) : issue({ certificate, number, acme }, deps))
await store[Symbol.asyncDispose]()
process.stdout.write(String(checkpoints))
