import { randomInt } from 'node:crypto'
import { encodeMessage, txtData, type NewMessage } from '../src/core/dns-encoding.ts'
import { decodeMessage, recordClasses, type DnsMessage } from '../src/core/dns-message.ts'
import { atMost } from '../src/core/at-most.ts'
import { ConfigError, ProviderError } from '../src/core/errors.ts'
import { parseNameServer, showNameServer } from '../src/core/name-server.ts'
import { exchange } from './dns-tcp.ts'
import type { Provider, TxtRecord } from './provider.ts'
import { messageOf, retry } from './retry.ts'
import { explain } from './tsig-refusal.ts'
import { sign, verify, type TsigKey } from './tsig.ts'

export interface Rfc2136Settings {
  /** `HOST`, `HOST:PORT` or `[V6]:PORT`: the zone's primary, or a secondary that forwards updates. */
  readonly server: string
  readonly tsig: TsigKey
}

/** How an update section adds a record or removes exactly one (RFC 2136 sections 2.5.1 and 2.5.4). */
interface Change {
  readonly verb: 'adding' | 'removing'
  readonly class: number
  readonly ttl: number
}

const deadlineMs = 20_000
/** A name server keeps few connections waiting: those of five hundred certificates would go unanswered for long. */
const connectionsAtOnce = 20

/** Dynamic updates (RFC 2136) over TCP, each signed by TSIG and its answer verified. `now` in milliseconds. */
export function rfc2136(
  { server: text, tsig: key }: Rfc2136Settings,
  now: () => number = Date.now,
): Provider {
  const server = parseNameServer(text)
  const inTurn = atMost(connectionsAtOnce)
  if (Buffer.from(key.secret.reveal(), 'base64').length < 16) {
    throw new ConfigError(`the secret of the TSIG key ${key.name} is no base64 of 16 bytes or more`, {
      hint: `make a key: tsig-keygen -a ${key.algorithm} ${key.name}`,
    })
  }

  /** Every message is safe to repeat: adding what is there and removing what is gone change nothing. */
  async function ask(
    what: string,
    message: Omit<NewMessage, 'id'>,
    signal: AbortSignal,
  ): Promise<DnsMessage> {
    const failed = `${what} at ${showNameServer(server)} failed`
    const again = (failure: unknown): number | false => (failure instanceof ProviderError ? false : 0)
    try {
      return await inTurn(() =>
        retry((each) => askOnce(failed, message, each), { signal, deadlineMs, again }),
      )
    } catch (failure) {
      signal.throwIfAborted()
      if (failure instanceof ProviderError) throw failure
      throw new ProviderError(`${failed}: ${messageOf(failure)}`, {
        cause: failure,
        hint: `see whether it answers over TCP: dig +tcp @${server.address} -p ${server.port} . SOA`,
      })
    }
  }

  async function askOnce(
    failed: string,
    message: Omit<NewMessage, 'id'>,
    signal: AbortSignal,
  ): Promise<DnsMessage> {
    const id = randomInt(0x1_0000)
    const signed = sign(encodeMessage({ ...message, id }), key, seconds(now()))
    const bytes = await exchange(server, signed.message, signal)
    const answer = decodeMessage(bytes)
    if (answer.id !== id || !answer.response) throw new Error('the answer is to another question')
    const verdict = verify({ bytes, answer, requestMac: signed.mac }, key, seconds(now()))
    if (verdict.kind !== 'verified') {
      const { cause, hint } = explain(verdict, { key, rcode: answer.rcode, now: now() })
      throw new ProviderError(`${failed}: ${cause}`, { hint })
    }
    if (answer.rcode === 'SERVFAIL') throw new Error('SERVFAIL: the reason is in the log of the server')
    return answer
  }

  async function update(record: TxtRecord, change: Change, signal: AbortSignal): Promise<void> {
    const { zone, name, value } = record
    const what = `${change.verb} TXT ${name}`
    const question = { name: zone, type: 'SOA' } as const
    const authorities = [
      { name, type: 'TXT', class: change.class, ttl: change.ttl, data: txtData(value) },
    ] as const
    const { rcode } = await ask(what, { opcode: 5, question, authorities }, signal)
    if (rcode === 'NOERROR') return
    throw new ProviderError(`${what} at ${showNameServer(server)} failed: ${rcode}`, {
      hint: hints[rcode]?.({ zone, name, key: key.name }) ?? [],
    })
  }

  return {
    async holdsZone(zone, signal) {
      const question = { name: zone, type: 'SOA' } as const
      const { answers, authoritative } = await ask(`asking for the zone ${zone}`, { question }, signal)
      return authoritative && answers.some(({ name, type }) => type === 'SOA' && name === zone)
    },
    create: (record, signal) => update(record, { verb: 'adding', class: recordClasses.IN, ttl: 60 }, signal),
    remove: (record, signal) =>
      update(record, { verb: 'removing', class: recordClasses.NONE, ttl: 0 }, signal),
  }
}

const hints: Readonly<Record<string, (of: { zone: string; name: string; key: string }) => string>> = {
  REFUSED: ({ zone, key }) =>
    `let the key write TXT, in named.conf under zone "${zone}": update-policy { grant ${key} zonesub TXT; };`,
  NOTAUTH: ({ zone }) =>
    `the server is not authoritative for ${zone}: name its primary in the server setting`,
  NOTZONE: ({ zone, name }) => `${name} is not in the zone ${zone}`,
  NOTIMP: () => 'the server takes no dynamic updates: name the primary in the server setting',
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000)
}
