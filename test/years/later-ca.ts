import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { startPebble, type Pebble } from '../lab/pebble.ts'
import {
  requestKinds,
  startAcmeProxy,
  type AcmeProxy,
  type Fault,
  type ProxyAnswer,
} from '../support/acme-proxy.ts'
import { createTestCa } from '../support/test-ca.ts'
import { redate } from './redate.ts'

/** What the CA did for one set of names. */
export interface Deed {
  readonly at: number
  /** Sorted, joined by a space. */
  readonly names: string
}

/** A real CA that lives by another clock: its certificates, its suggestions and its Date are of that time. */
export interface LaterCa extends AsyncDisposable {
  readonly directory: string
  readonly caBundle: string
  readonly pebble: Pebble
  readonly proxy: AcmeProxy
  /** Orders that it took, and those that it was asked to finalize, in order. */
  readonly orders: readonly Deed[]
  readonly issued: readonly Deed[]
  /** Answers nothing but this to everything, until `comeBack`. */
  goAway(fault: Fault): void
  comeBack(): void
}

export interface LaterCaOptions {
  /** `address:port` of the name server that it asks. */
  readonly dnsServer: string
  /** The instant it is, in milliseconds. */
  readonly now: () => number
  readonly lifetimeMs: number
}

/**
 * pebble lives by this machine's clock, so a proxy before it moves what it says: a leaf that was finalized at an instant
 * of the other clock is valid from then on, and is signed again with pebble's own intermediate key. Accounts, nonces,
 * orders, validation, `replaces` and renewal information are pebble's.
 */
export async function startLaterCa({ dnsServer, now, lifetimeMs }: LaterCaOptions): Promise<LaterCa> {
  await using stack = new AsyncDisposableStack()
  const ca = await createTestCa()
  const pebble = stack.use(
    await startPebble({
      dnsServer,
      ca,
      keyAlgorithm: 'rsa',
      profiles: { default: lifetimeMs / 1000 },
      // Proofs of ten hours ago are not reused by a CA whose certificates live for 45 days.
      env: { PEBBLE_AUTHZREUSE: '0' },
    }),
  )
  const proxy = stack.use(await startAcmeProxy(pebble.directory, ca))
  const issuerKey = await readManagement(pebble, '/intermediate-keys/0')
  const orders: Deed[] = []
  const issued: Deed[] = []
  const ahead = (): number => now() - Date.now()
  /** How far ahead the other clock was: by the path that finalizes, by the path of the certificate, by serial. */
  const finalizedAhead = new Map<string, number>()
  const leafAhead = new Map<string, number>()

  const edits: Partial<
    Record<(typeof requestKinds)[number], (answer: ProxyAnswer, path: string) => ProxyAnswer>
  > = {
    directory: (answer) => {
      const date = new Date(now()).toUTCString()
      return { ...answer, headers: { ...answer.headers, date } }
    },
    newOrder: (answer) => {
      if (answer.status === 201) orders.push({ at: now(), names: namesOf(answer) })
      return answer
    },
    finalize: (answer, path) => {
      if (answer.status === 200 && !finalizedAhead.has(path)) {
        finalizedAhead.set(path, ahead())
        issued.push({ at: now(), names: namesOf(answer) })
      }
      return link(answer)
    },
    order: (answer) => link(answer),
    certificate: (answer, path) => {
      const by = leafAhead.get(path)
      if (answer.status !== 200) return answer
      if (by === undefined) throw new Error(`${path} was never finalized here`)
      return { ...answer, body: redate(answer.body, by, issuerKey) }
    },
    renewalInfo: (answer, path) => {
      const serial = Buffer.from(path.split('.').at(-1) ?? '', 'base64url')
        .toString('hex')
        .replace(/^00/, '')
      const by = [...leafAhead].find(([certificate]) => certificate.endsWith(serial))?.[1]
      if (answer.status !== 200) return answer
      if (by === undefined) throw new Error(`nothing was issued as ${path}`)
      return { ...answer, body: moveWindow(answer.body, by) }
    },
  }

  /** Remembers by which order a certificate came. */
  function link(answer: ProxyAnswer): ProxyAnswer {
    const { finalize, certificate } = JSON.parse(answer.body) as { finalize?: string; certificate?: string }
    const by = finalizedAhead.get(pathOf(finalize ?? ''))
    if (certificate !== undefined && by !== undefined) leafAhead.set(pathOf(certificate), by)
    return answer
  }

  const comeBack = (): void => {
    proxy.reset()
    for (const kind of requestKinds) {
      const edit = edits[kind]
      if (edit) proxy.fault(kind, { do: 'edit', edit })
    }
  }
  comeBack()
  const started = stack.move()
  return {
    directory: proxy.directory,
    caBundle: pebble.caBundle,
    pebble,
    proxy,
    orders,
    issued,
    comeBack,
    goAway(fault) {
      proxy.reset()
      for (const kind of requestKinds) proxy.fault(kind, fault)
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

function pathOf(url: string): string {
  return URL.parse(url)?.pathname ?? ''
}

function namesOf({ body }: ProxyAnswer): string {
  const { identifiers = [] } = JSON.parse(body) as { identifiers?: readonly { readonly value: string }[] }
  return identifiers
    .map(({ value }) => value)
    .toSorted()
    .join(' ')
}

function moveWindow(body: string, byMs: number): string {
  const info = JSON.parse(body) as { suggestedWindow: { start: string; end: string } }
  const move = (instant: string): string => new Date(Date.parse(instant) + byMs).toISOString()
  const { start, end } = info.suggestedWindow
  return JSON.stringify({ ...info, suggestedWindow: { start: move(start), end: move(end) } })
}

/** The PEM at this path of pebble's management interface. */
async function readManagement({ managementUrl, httpsRoot }: Pebble, path: string): Promise<string> {
  const sent = request(`${managementUrl}${path}`, {
    ca: httpsRoot,
    agent: false,
    headers: { 'user-agent': 'certs-test' },
  })
  sent.end()
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  if (answer.statusCode !== 200) throw new Error(`${path} of pebble answered ${answer.statusCode}`)
  return text(answer)
}
