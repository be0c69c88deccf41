import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request } from 'node:https'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestCa } from './test-ca.ts'

const kinds = {
  directory: '/dir',
  nonce: '/nonce-plz',
  newAccount: '/sign-me-up',
  account: '/my-account/',
  keyChange: '/rollover-account-key',
  orders: '/list-orderz/',
  newOrder: '/order-plz',
  order: '/my-order/',
  authorization: '/authZ/',
  challenge: '/chalZ/',
  finalize: '/finalize-order/',
  certificate: '/certZ/',
  revokeCert: '/revoke-cert',
  renewalInfo: '/draft-ietf-acme-ari-03/renewalInfo/',
} as const

export type RequestKind = keyof typeof kinds
export const requestKinds = Object.keys(kinds) as readonly RequestKind[]

export interface ProxyAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: string
}

export type Fault =
  /** Answers itself; pebble never hears of the request. */
  | {
      readonly do: 'answer'
      readonly status: number
      readonly headers?: Record<string, string>
      readonly body?: string | Buffer
    }
  /** Closes the connection, before pebble hears of the request, or after it has acted on it. */
  | { readonly do: 'cut'; readonly when: 'before' | 'after' }
  /** Says nothing, for ever; with `when: 'after'`, once pebble has acted. */
  | { readonly do: 'hang'; readonly when?: 'before' | 'after' }
  /** Sends half of pebble's answer and cuts. */
  | { readonly do: 'truncate' }
  /** Sends pebble's answer a byte at a time. */
  | { readonly do: 'drip'; readonly everyMs: number }
  /** Answers itself, with status 200 and a body that has no end. */
  | { readonly do: 'flood' }
  /** Changes what pebble answered to a request for this path. */
  | { readonly do: 'edit'; readonly edit: (answer: ProxyAnswer, path: string) => ProxyAnswer }

export interface AcmeProxy extends AsyncDisposable {
  readonly directory: string
  /** Requests of this kind that came, since the start or the last `reset`. */
  count(kind: RequestKind): number
  /** Requests that pebble has acted on and whose answer was held back. */
  swallowed(): readonly RequestKind[]
  /** Bytes of endless bodies that went out. */
  flooded(): number
  /** Applies to the next `times` requests of the kind (all by default), after `skip` of them. */
  fault(kind: RequestKind, fault: Fault, options?: FaultOptions): void
  /** How many of the faults told with `times` have not come to pass yet, by kind. */
  left(): Readonly<Partial<Record<RequestKind, number>>>
  reset(): void
}

export interface FaultOptions {
  readonly times?: number
  readonly skip?: number
  /** Spares a request whose real answer is so; for faults that come after pebble has acted. */
  readonly unless?: (answer: ProxyAnswer) => boolean
}

/** An HTTPS proxy before pebble that counts, and misbehaves as told. The URLs pebble names lead through it. */
export async function startAcmeProxy(upstream: string, ca: TestCa): Promise<AcmeProxy> {
  const { key, cert } = await ca.issue(['127.0.0.1', 'localhost'])
  const agent = new Agent({ keepAlive: true, ca: ca.root })
  let seen: RequestKind[] = []
  let swallowed: RequestKind[] = []
  let flooded = 0
  let rules: Rule[] = []

  const ruleFor = (kind: RequestKind): Rule | undefined => {
    const rule = rules.find((one) => one.kind === kind && one.times > 0)
    if (rule === undefined) return undefined
    if (rule.skip-- > 0) return undefined
    rule.times--
    return rule
  }

  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const body = await read(incoming)
    const path = incoming.url ?? '/'
    const kind = requestKinds.find((one) => path.startsWith(kinds[one])) ?? 'directory'
    seen.push(kind)
    const rule = ruleFor(kind)
    let fault = rule?.fault
    if (fault?.do === 'hang' && fault.when !== 'after') return
    if (fault?.do === 'cut' && fault.when === 'before') return void incoming.socket.destroy()
    if (fault?.do === 'answer') {
      outgoing.writeHead(fault.status, fault.headers)
      return void outgoing.end(fault.body ?? '')
    }
    if (fault?.do === 'flood') {
      outgoing.writeHead(200)
      const piece = Buffer.alloc(65_536, 'x')
      const endless = function* () {
        for (;;) {
          flooded += piece.length
          yield piece
        }
      }
      return pipeline(endless, outgoing)
    }
    const real = await forward(incoming, { body, agent, url: new URL(path, upstream) })
    if (rule?.unless?.(real)) {
      rule.times++
      fault = undefined
    }
    if (fault?.do === 'hang') return void swallowed.push(kind)
    if (fault?.do === 'cut') return void incoming.socket.destroy()
    const answer = fault?.do === 'edit' ? fault.edit(real, path) : real
    const { 'content-length': _, ...headers } = answer.headers
    const length = Buffer.byteLength(answer.body)
    const withLength = incoming.method === 'HEAD' ? headers : { ...headers, 'content-length': String(length) }
    outgoing.writeHead(answer.status, withLength as Record<string, string>)
    if (fault?.do === 'drip') {
      for (const byte of Buffer.from(answer.body)) {
        if (outgoing.destroyed) return
        outgoing.write(Buffer.from([byte]))
        await sleep(fault.everyMs)
      }
      return void outgoing.end()
    }
    if (fault?.do !== 'truncate') return void outgoing.end(answer.body)
    outgoing.write(answer.body.slice(0, length / 2), () => incoming.socket.destroy())
  }

  const server = createServer({ key, cert }, (incoming, outgoing) => {
    handle(incoming, outgoing).catch(() => incoming.socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  return {
    directory: `https://127.0.0.1:${address.port}/dir`,
    count: (kind) => seen.filter((one) => one === kind).length,
    swallowed: () => swallowed,
    flooded: () => flooded,
    fault: (kind, fault, { times = Infinity, skip = 0, unless } = {}) =>
      void rules.push({ kind, fault, times, skip, unless }),
    left: () => {
      const open = Map.groupBy(
        rules.filter(({ times }) => times > 0 && times < Infinity),
        ({ kind }) => kind,
      )
      return Object.fromEntries([...open].map(([kind, those]) => [kind, those.length]))
    },
    reset: () => {
      seen = []
      swallowed = []
      flooded = 0
      rules = []
    },
    [Symbol.asyncDispose]: async () => {
      agent.destroy()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

interface Rule {
  readonly kind: RequestKind
  readonly fault: Fault
  times: number
  skip: number
  readonly unless: FaultOptions['unless']
}

interface Forward {
  readonly url: URL
  readonly body: string
  readonly agent: Agent
}

/** The Host header stays, so that pebble names URLs under the proxy's address. */
async function forward(incoming: IncomingMessage, { url, body, agent }: Forward): Promise<ProxyAnswer> {
  const { method, headers } = incoming
  const sent = request(url, { method, headers, agent })
  sent.end(body)
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  const { connection: _, 'transfer-encoding': __, ...rest } = answer.headers
  const kept = Object.entries(rest).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return { status: answer.statusCode ?? 0, headers: Object.fromEntries(kept), body: await read(answer) }
}

async function read(stream: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
