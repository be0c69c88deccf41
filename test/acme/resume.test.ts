import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readLeaf } from '../../src/core/certificate.ts'
import { type ChallengeServer, type Pebble, startChallengeServer, startPebble } from '../lab/pebble.ts'
import { type AcmeProxy, type RequestKind, startAcmeProxy } from '../support/acme-proxy.ts'
import { type ChallengeSolver, createChallengeSolver } from '../support/challenge-solver.ts'
import { createController } from '../support/issuing.ts'
import type { ChildOrder } from '../support/issuing-child.ts'
import { createLedger } from '../support/pebble-ledger.ts'
import { createTestCa } from '../support/test-ca.ts'

let dns: ChallengeServer
let pebble: Pebble
let proxy: AcmeProxy
let solver: ChallengeSolver
let folder: string

beforeAll(async () => {
  const ca = await createTestCa()
  dns = await startChallengeServer()
  pebble = await startPebble({ dnsServer: dns.dnsServer, ca })
  proxy = await startAcmeProxy(pebble.directory, ca)
  solver = createChallengeSolver(dns)
  folder = await mkdtemp(join(tmpdir(), 'certs-resume-'))
})

afterAll(async () => {
  await proxy[Symbol.asyncDispose]()
  await pebble[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const script = join(import.meta.dirname, '../support/issuing-child.ts')

function startChild(name: string, where: Pick<ChildOrder, 'killAtEvent' | 'killAtCheckpoint'>): ChildProcess {
  const order: ChildOrder = {
    folder: join(folder, name),
    directory: proxy.directory,
    caBundle: pebble.caBundle,
    dns: { dnsServer: dns.dnsServer, managementUrl: dns.managementUrl },
    names: [name, `*.${name}`],
    ...where,
  }
  return spawn(process.execPath, [script, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** What the next run of an operator does: clear away, and issue what is not there. */
async function runAgain(name: string): Promise<void> {
  await using controller = await createController(join(folder, name))
  await controller.sweep(solver)
  const acme = { directory: proxy.directory, contact: [], caBundle: pebble.caBundle }
  if (!(await controller.store.listVersions(name)).includes(1)) {
    await controller.issue({ names: [name, `*.${name}`], acme, solver })
  }
  const [number = 0] = await controller.store.listVersions(name)
  const version = await controller.store.getVersion(name, number)
  expect(readLeaf(version?.leaf ?? '').names).toEqual([`*.${name}`, name])
  expect(await controller.store.listVersions(name)).toHaveLength(1)
  expect(await solver.values(`_acme-challenge.${name}`)).toEqual([])
  expect(await controller.store.list('orders')).toEqual([])
  expect(await controller.store.list('txt')).toEqual([])
}

describe('killed with SIGKILL, the next run converges with the same account, order and certificate', () => {
  test.for([
    'account-created',
    'key-stored',
    'order-created',
    'txt-created',
    'propagation',
    'challenge-answered',
    'finalize-sent',
    'version-stored',
    'txt-removed',
  ])('right after %s', async (kind) => {
    const name = `${kind}.example`
    const ledger = createLedger(pebble)
    const child = startChild(name, { killAtEvent: kind })
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL'])
    await runAgain(name)
    expect(ledger()).toEqual({ accounts: 1, orders: 1, certificates: 1 })
  })

  test.for(['newAccount', 'newOrder', 'challenge', 'finalize', 'certificate'] as const)(
    'when the CA has acted on %s and its answer has not come',
    async (kind: RequestKind) => {
      const name = `in-flight-${kind.toLowerCase()}.example`
      const ledger = createLedger(pebble)
      proxy.reset()
      // A request that pebble refuses for its nonce has not been acted on, and is sent again.
      const held = { do: 'hang', when: 'after' } as const
      proxy.fault(kind, held, { unless: (answer) => answer.body.includes('badNonce') })
      const child = startChild(name, {})
      const exit = once(child, 'exit')
      while (proxy.swallowed().length === 0 && child.exitCode === null) await sleep(10)
      child.kill('SIGKILL')
      expect(await exit).toEqual([null, 'SIGKILL'])
      proxy.reset()
      await runAgain(name)
      expect(ledger()).toEqual({ accounts: 1, orders: 1, certificates: 1 })
    },
  )

  test('before and after every durable write and every DNS change', { timeout: 300_000 }, async () => {
    const whole = startChild('whole.example', {})
    const said: Buffer[] = []
    whole.stdout?.on('data', (chunk: Buffer) => said.push(chunk))
    expect(await once(whole, 'exit')).toEqual([0, null])
    const total = Number(Buffer.concat(said).toString())
    expect(total).toBeGreaterThan(40)

    const all = process.env['CERTS_FAULTS'] === 'all'
    const stride = all ? 1 : 9
    for (let at = 1 + Math.floor(Math.random() * stride); at <= total; at += stride) {
      const name = `checkpoint-${at}.example`
      const ledger = createLedger(pebble)
      const child = startChild(name, { killAtCheckpoint: at })
      await once(child, 'exit')
      await runAgain(name)
      expect({ at, ...ledger() }).toEqual({ at, accounts: 1, orders: 1, certificates: 1 })
    }
  })
})
