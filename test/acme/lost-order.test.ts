import { describe, expect, test } from 'vitest'
import { openAccount } from '../../src/acme/account.ts'
import { defaultPace } from '../../src/acme/pace.ts'
import type { Fault } from '../support/acme-proxy.ts'
import { badNonce, failureOf, problemDocument, useFaultyCa } from '../support/faulty-ca.ts'
import { type Controller, createController } from '../support/issuing.ts'
import { createLedger } from '../support/pebble-ledger.ts'

const faulty = useFaultyCa()

interface Ordering {
  readonly name: string
  readonly run: (controller: Controller) => Promise<unknown>
}

/** A certificate of a name of its own; the CA may take its time, since nothing here waits for a deadline. */
function order(): Ordering {
  const { name } = faulty.order()
  const settings = { names: [name], acme: faulty.acme(), solver: faulty.solver, pace: { retryMs: 1_500 } }
  return { name, run: (controller) => controller.issue(settings) }
}

/** The CA has made an order, and its answer has not come. */
async function lose(controller: Controller, run: Ordering['run']): Promise<void> {
  faulty.proxy.fault('newOrder', { do: 'truncate' }, { times: 1, unless: badNonce })
  faulty.proxy.fault('account', { do: 'cut', when: 'before' })
  expect((await failureOf(run(controller))).message).toMatch(/^listing the account's orders at .* failed/)
  faulty.proxy.reset()
}

/** Orders of the same account for other names, made while ours was lost. */
async function orderOthers({ store }: Controller, count: number): Promise<void> {
  const signal = new AbortController().signal
  const deps = { store, emit: () => undefined, now: () => new Date(), signal, run: 'other' }
  const options = { settings: faulty.acme(), certificate: 'other', pace: defaultPace }
  using ca = await openAccount(deps, options)
  const numbers = Array.from({ length: count }, (_, index) => index)
  await Promise.all(numbers.map((number) => ca.newOrder({ names: [`other-${number}.example`] })))
}

describe('an order that was made while nobody could write it down', () => {
  test('is found among the account’s orders, however many came after it', async () => {
    await using controller = await createController()
    await order().run(controller)
    const { run } = order()
    const ledger = createLedger(faulty.pebble)
    await lose(controller, run)
    await orderOthers(controller, 120)
    await run(controller)
    expect(ledger()).toEqual({ accounts: 0, orders: 1 + 120, certificates: 1 })
  })

  test('is looked for by reading no order twice', async () => {
    await using controller = await createController()
    const [first, second] = [order(), order()]
    await first.run(controller)
    await orderOthers(controller, 30)
    for (const { run } of [first, second]) {
      faulty.proxy.fault('newOrder', { do: 'answer', status: 500 }, { times: 1 })
      const before = faulty.proxy.count('order')
      await run(controller)
      expect(faulty.proxy.count('order') - before).toBeLessThan(run === first.run ? 45 : 10)
      faulty.proxy.reset()
    }
  })

  const unreadable: readonly (readonly [what: string, kind: 'account' | 'orders', fault: Fault])[] = [
    ['the account', 'account', { do: 'answer', status: 429, body: problemDocument('rateLimited') }],
    ['the list', 'orders', { do: 'answer', status: 429, body: problemDocument('rateLimited') }],
    ['an account that is none', 'account', { do: 'edit', edit: (answer) => ({ ...answer, body: '{}' }) }],
    [
      'an account whose list is no URL',
      'account',
      { do: 'edit', edit: (answer) => ({ ...answer, body: '{"status":"valid","orders":{}}' }) },
    ],
    ['a list that is none', 'orders', { do: 'edit', edit: (answer) => ({ ...answer, body: '[]' }) }],
  ]
  test.for(unreadable)('is waited for while the CA does not show %s; none is sent instead', async (one) => {
    const [, kind, fault] = one
    await using controller = await createController()
    await order().run(controller)
    const { run } = order()
    const ledger = createLedger(faulty.pebble)
    await lose(controller, run)
    faulty.proxy.fault(kind, fault, { unless: badNonce })
    await failureOf(run(controller))
    expect(faulty.proxy.count('newOrder')).toBe(0)
    faulty.proxy.reset()
    await run(controller)
    expect(ledger()).toEqual({ accounts: 0, orders: 1, certificates: 1 })
  })

  test('is given up where the CA has no such list', async () => {
    await using controller = await createController()
    await order().run(controller)
    const { run } = order()
    const ledger = createLedger(faulty.pebble)
    await lose(controller, run)
    faulty.proxy.fault('orders', { do: 'answer', status: 404 })
    await run(controller)
    expect(ledger()).toEqual({ accounts: 0, orders: 2, certificates: 1 })
  })
})

test('a certificate that comes garbled is downloaded again by the next run, and no other is ordered', async () => {
  const spoilt: readonly Fault[] = [
    { do: 'edit', edit: (answer) => ({ ...answer, body: '<html>come back later' }) },
    { do: 'edit', edit: (answer) => ({ ...answer, body: '' }) },
    { do: 'edit', edit: (answer) => ({ ...answer, body: answer.body.slice(0, 500) }) },
  ]
  for (const fault of spoilt) {
    faulty.proxy.fault('certificate', fault, { times: 1, unless: badNonce })
    const error = await faulty.converges()
    expect(error?.message).toMatch(/^the certificate that the CA returned can't be used: /)
    expect(error?.hints).toEqual(['the next run downloads it again, by the same order'])
  }
})
