import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Pace } from '../../src/acme/pace.ts'
import { openFiles } from '../../src/state/files.ts'
import { namedMissing } from '../lab/named.ts'
import { type Fault, type RequestKind, requestKinds } from '../support/acme-proxy.ts'
import { nonsense, passing, slower } from '../support/bad-answers.ts'
import { badNonce } from '../support/faulty-ca.ts'
import { type Renewing, startRenewing } from '../support/renewing.ts'

const missing = await namedMissing()
if (missing) process.stderr.write(`skipped: ${missing}\n`)

const names = Array.from({ length: 100 }, (_, index) => `site-${index}.fleet.example`)
const dayMs = 86_400_000

/** The real ones are ten to thirty times as long, and a silent CA would cost a test minutes. */
const pace: Partial<Pace> = { requestMs: 2_000, retryMs: 6_000, firstRetryMs: 1_000, pollMs: 10_000 }
const longestRunMs = 90_000

const faults: readonly Fault[] = Object.values({ ...passing, ...nonsense, ...slower })

/** Of each certificate: every other request fails, each in another way. */
const often: readonly RequestKind[] = [
  'directory',
  'nonce',
  'newOrder',
  'order',
  'authorization',
  'challenge',
  'finalize',
  'certificate',
]
/** Only until there is an account, and for orders that may be lost: every request fails, until all have. */
const seldom: readonly RequestKind[] = ['newAccount', 'account', 'orders']

describe.skipIf(missing)(
  'a hundred certificates due at once, at a CA whose answers fail in every way',
  () => {
    let place: Renewing
    beforeAll(async () => {
      const certificates = Object.fromEntries(names.map((name) => [name, {}]))
      place = await startRenewing({ certificates, pebble: { PEBBLE_AUTHZREUSE: '50' } })
    })
    afterAll(async () => place?.[Symbol.asyncDispose]())

    const spoil = (kinds: readonly RequestKind[], skip: number) => {
      for (const kind of kinds) {
        // What makes no sense after the CA has made the account tells its URL all the same, and is the last that is asked.
        const all = kind === 'newAccount' ? Object.values({ ...passing, ...slower }) : faults
        for (const fault of all) place.proxy.fault(kind, fault, { times: 1, skip, unless: badNonce })
      }
    }

    const claim =
      'each run ends in time; in the end none was ordered twice, none is lost, nothing is left in DNS'
    test(claim, { timeout: 300_000 }, async () => {
      spoil(often, 1)
      spoil(seldom, 0)
      // As a timer does, when the pauses and what the CA said are over.
      for (let run = 1; ; run++) {
        const start = performance.now()
        const { exitCode, stderr } = await place.certs('renew --now', { pace })
        expect(performance.now() - start).toBeLessThan(longestRunMs)
        const failing = await place.failing()
        // What is no error of ours has a stack.
        expect(stderr).not.toMatch(/^ {4}at /m)
        expect(exitCode).toBe(failing.length === 0 ? 0 : 1)
        if (failing.length === 0) break
        expect(run).toBeLessThan(10)
        for (const name of failing) await place.age(name, 8 * dayMs)
      }
      expect(place.proxy.left()).toEqual({})
      expect(place.deeds()).toEqual({ accounts: 1, orders: 100, certificates: 100 })

      await using store = await openFiles(place.state)
      const versions = await Promise.all(names.map((name) => store.listVersions(name)))
      expect(versions).toEqual(names.map(() => [1]))
      for (const left of ['orders', 'txt', 'attempts']) expect(await store.list(left)).toEqual([])
      const zone = await place.named.dump('fleet.example')
      expect(zone.filter((line) => line.includes(' TXT '))).toEqual([])
      // A hundred that fail in no way take about nine requests each.
      const requests = requestKinds.map((kind) => place.proxy.count(kind)).reduce((sum, count) => sum + count)
      expect(requests).toBeLessThan(names.length * 60)

      expect(await place.certs('renew --now')).toEqual({ exitCode: 0, stdout: '', stderr: '' })
    })
  },
)
