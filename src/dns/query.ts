import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { encodeMessage, uint16 } from '../core/dns-encoding.ts'
import { decodeMessage, type DnsMessage, type RecordType } from '../core/dns-message.ts'
import { ProviderError } from '../core/errors.ts'
import { showNameServer, type NameServer } from '../core/name-server.ts'

export interface Query {
  readonly name: string
  readonly type: RecordType
  /** True for a resolver, false for an authoritative server. */
  readonly recursionDesired: boolean
  /** A validating resolver answers even what does not validate. */
  readonly checkingDisabled?: boolean
}

export interface QueryOptions {
  readonly signal: AbortSignal
  /** Milliseconds to wait for each attempt over UDP, one after the other; then the query has failed. */
  readonly attempts?: readonly number[]
}

const defaultAttempts = [1000, 2000, 2000]
const tcpTimeoutMs = 5000
/** DNS flag day 2020: the largest payload that is not fragmented on any usual path. */
const udpPayloadSize = 1232

/**
 * Asks one server at an IP address: UDP from a fresh port with a random id, TCP when the answer is truncated.
 * Any rcode is an answer. Throws ProviderError when none comes, the signal's reason when it aborts.
 */
export async function query(server: NameServer, question: Query, options: QueryOptions): Promise<DnsMessage> {
  const { signal, attempts = defaultAttempts } = options
  let failure: unknown
  for (const timeoutMs of attempts) {
    try {
      const exchange = newExchange(question)
      const answer = await askByUdp(server, exchange, { signal, timeoutMs })
      return answer.truncated ? await askByTcp(server, exchange, { signal, timeoutMs: tcpTimeoutMs }) : answer
    } catch (error) {
      signal.throwIfAborted()
      failure = error
    }
  }
  const cause = failure instanceof Error ? failure.message : String(failure)
  const what = `asking ${showNameServer(server)} for ${question.type} of ${question.name} failed`
  throw new ProviderError(`${what}: ${cause}`, { cause: failure })
}

/** One question under one id, and the test of what may be its answer. */
interface Exchange {
  readonly request: Buffer
  /** Undefined when the message answers something else (a late or forged answer). */
  readonly accept: (bytes: Uint8Array) => DnsMessage | undefined
}

interface AskOptions {
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

function newExchange({ name, type, ...flags }: Query): Exchange {
  const id = randomInt(0x1_0000)
  return {
    request: encodeMessage({ id, question: { name, type }, ...flags, udpPayloadSize }),
    accept(bytes) {
      const message = decodeMessage(bytes)
      const [question] = message.questions
      const echoed = question?.name === name.toLowerCase() && question.type === type
      // FORMERR may come without the question.
      const fits = echoed || (message.questions.length === 0 && message.rcode === 'FORMERR')
      return message.response && message.id === id && fits ? message : undefined
    },
  }
}

function askByUdp(server: NameServer, exchange: Exchange, options: AskOptions): Promise<DnsMessage> {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
  // A malformed datagram may be forged: the wait goes on, but a timeout tells of it.
  let malformed: Error | undefined
  const answer = new Promise<DnsMessage>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', (bytes) => {
      try {
        const message = exchange.accept(bytes)
        if (message) resolve(message)
      } catch (error) {
        malformed = error instanceof Error ? error : undefined
      }
    })
    // A connected socket takes datagrams from this server only and learns of a closed port.
    socket.once('connect', () => socket.send(exchange.request))
    socket.connect(server.port, server.address)
  })
  return within(answer, { ...options, late: () => malformed }).finally(() => socket.close())
}

function askByTcp(server: NameServer, exchange: Exchange, options: AskOptions): Promise<DnsMessage> {
  const socket = connect(server.port, server.address)
  const answer = new Promise<DnsMessage>((resolve, reject) => {
    let received = Buffer.alloc(0)
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the connection was closed without an answer')))
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes])
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
      try {
        const message = exchange.accept(received.subarray(2, 2 + received.readUInt16BE(0)))
        if (message) resolve(message)
        else reject(new Error('the answer is to another question'))
      } catch (error) {
        reject(error)
      }
    })
    socket.write(Buffer.concat([uint16(exchange.request.length), exchange.request]))
  })
  return within(answer, options).finally(() => socket.destroy())
}

async function within<T>(
  answer: Promise<T>,
  { signal, timeoutMs, late }: AskOptions & { readonly late?: () => Error | undefined },
): Promise<T> {
  const { promise: giveUp, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(late?.() ?? new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    return await Promise.race([answer, giveUp])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}
