import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import type { Pace } from '../../src/acme/pace.ts'
import type { AcmeSettings } from '../../src/core/acme.ts'
import { AcmeError } from '../../src/core/errors.ts'
import { type ChallengeServer, type Pebble, startChallengeServer, startPebble } from '../lab/pebble.ts'
import { type AcmeProxy, type Fault, type ProxyAnswer, startAcmeProxy } from './acme-proxy.ts'
import { type ChallengeSolver, createChallengeSolver } from './challenge-solver.ts'
import { type Controller, createController } from './issuing.ts'
import { createLedger } from './pebble-ledger.ts'
import { createTestCa, type TestCa } from './test-ca.ts'

/** Short deadlines, so that a CA that never answers costs a test little. */
export const pace: Partial<Pace> = { requestMs: 500, retryMs: 1_500, firstRetryMs: 1_000, pollMs: 1_500 }

/** A real pebble behind a proxy that misbehaves as told. */
export interface FaultyCa extends AsyncDisposable {
  readonly ca: TestCa
  readonly dns: ChallengeServer
  readonly pebble: Pebble
  readonly proxy: AcmeProxy
  readonly solver: ChallengeSolver
  acme(): AcmeSettings
  /** One certificate of a name of its own. */
  order(): Ordering
  /**
   * Runs once; this ends well or with an error of ours, which is returned. Then, without the fault, all is as if
   * nothing had happened: one account, one order, one certificate, no TXT record.
   */
  converges(): Promise<AcmeError | undefined>
}

export interface Ordering {
  readonly name: string
  readonly run: (controller: Controller) => Promise<unknown>
}

/** One for all tests of a file, which does nothing wrong when a test begins. */
export function useFaultyCa(): FaultyCa {
  let started: FaultyCa | undefined
  beforeAll(async () => {
    started = await startFaultyCa()
  })
  beforeEach(() => started?.proxy.reset())
  afterAll(() => started?.[Symbol.asyncDispose]())
  return new Proxy({} as FaultyCa, {
    get: (_, name) => {
      if (!started) throw new Error('the CA is there when the tests run')
      return Reflect.get(started, name) as unknown
    },
  })
}

export async function startFaultyCa(): Promise<FaultyCa> {
  const ca = await createTestCa()
  const dns = await startChallengeServer()
  const pebble = await startPebble({ dnsServer: dns.dnsServer, ca })
  const proxy = await startAcmeProxy(pebble.directory, ca)
  const solver = createChallengeSolver(dns)
  const acme = (): AcmeSettings => ({ directory: proxy.directory, contact: [], caBundle: pebble.caBundle })
  let counter = 0

  const order = (): Ordering => {
    const name = `fault-${++counter}.example`
    return { name, run: (controller) => controller.issue({ names: [name], acme: acme(), solver, pace }) }
  }
  return {
    ca,
    dns,
    pebble,
    proxy,
    solver,
    acme,
    order,
    converges: async () => {
      await using controller = await createController()
      const ledger = createLedger(pebble)
      const { run, name } = order()
      const start = performance.now()
      const error = await outcomeOf(run(controller))
      expect(performance.now() - start).toBeLessThan(15_000)
      if (error !== undefined) {
        expect(error).toBeInstanceOf(AcmeError)
        expect(await solver.values(`_acme-challenge.${name}`)).toEqual([])
        proxy.reset()
        await run(controller)
      }
      expect(ledger()).toEqual({ accounts: 1, orders: 1, certificates: 1 })
      expect(await controller.store.listVersions(name)).toHaveLength(1)
      expect(await solver.values(`_acme-challenge.${name}`)).toEqual([])
      return error as AcmeError | undefined
    },
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]()
      await pebble[Symbol.asyncDispose]()
      await dns[Symbol.asyncDispose]()
    },
  }
}

/** Why it failed, which must be an AcmeError. */
export async function failureOf(promise: Promise<unknown>): Promise<AcmeError> {
  const error = await outcomeOf(promise)
  expect(error).toBeInstanceOf(AcmeError)
  return error as AcmeError
}

async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
}

/** A request that pebble refuses for its nonce has not been acted on, and comes again. */
export const badNonce = (answer: ProxyAnswer): boolean => answer.body.includes('badNonce')

export function problemDocument(type: string, detail = 'so it is'): string {
  return JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail })
}

/** Pebble's answer with another body. */
export function withBody(body: string): Fault {
  return { do: 'edit', edit: (answer) => ({ ...answer, body }) }
}
