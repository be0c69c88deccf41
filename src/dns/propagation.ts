import { isIPv4, isIPv6 } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DnsMessage } from '../core/dns-message.ts'
import { ProviderError } from '../core/errors.ts'
import { showNameServer, type NameServer } from '../core/name-server.ts'
import { printableLine } from '../core/printable.ts'
import { nameServersOf } from './name-servers.ts'
import { query } from './query.ts'
import type { Resolver } from './resolver.ts'
import type { PlacedRecord, WaitOptions } from './solver.ts'

export interface PropagationOptions extends WaitOptions {
  readonly resolver: Resolver
  /** Where authoritative servers listen; 53 outside of tests. */
  readonly port: number
}

const firstPauseMs = 50
const longestPauseMs = 2000
const attemptMs = 2000

/** One address of one authoritative server, and what it must say. */
interface Watch {
  readonly host: string
  readonly server: NameServer
  /** `ns1.hachyderm.io (192.0.2.1)`. */
  readonly shown: string
  readonly wanted: readonly PlacedRecord[]
  /** What was wrong at the last look: one line; empty when nothing was. */
  lag: string
  /** Looks in a row to which no answer came. */
  misses: number
}

/**
 * Resolves when every address of every authoritative server of the records' zones says all values, with AA set.
 * Resolvers are not asked for the records: they keep negative answers. Throws ProviderError after the deadline,
 * naming each server that lags and what it says.
 */
export async function waitUntilSeen(
  records: readonly PlacedRecord[],
  options: PropagationOptions,
): Promise<void> {
  const { deadlineMs, onProgress } = options
  const ended = new AbortController()
  const timer = setTimeout(() => ended.abort(), deadlineMs)
  const signal = AbortSignal.any([options.signal, ended.signal])
  const watches: Watch[] = []
  let seen = 0
  try {
    const zones = [...new Set(records.map((record) => record.zone))]
    const found = await Promise.all(zones.map((zone) => watchesOf(zone, records, { ...options, signal })))
    watches.push(...found.flat())
    onProgress(seen, watches.length)
    const all = watches.map(async (watch) => {
      await poll(watch, watches, signal)
      onProgress(++seen, watches.length)
    })
    await Promise.all(all)
  } catch (error) {
    options.signal.throwIfAborted()
    if (!ended.signal.aborted) throw error
    throw notSeen(
      records,
      watches.filter((watch) => watch.lag !== ''),
      deadlineMs,
    )
  } finally {
    clearTimeout(timer)
    ended.abort()
  }
}

async function watchesOf(
  zone: string,
  records: readonly PlacedRecord[],
  { resolver, port, signal }: PropagationOptions,
): Promise<Watch[]> {
  const wanted = records.filter((record) => record.zone === zone)
  const addresses = await nameServersOf(zone, resolver, signal)
  return addresses.map(({ host, address }) => {
    const server = { address, port }
    return {
      host,
      server,
      shown: `${host} (${showNameServer(server)})`,
      wanted,
      lag: 'no answer yet',
      misses: 0,
    }
  })
}

async function poll(watch: Watch, all: readonly Watch[], signal: AbortSignal): Promise<void> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 1.6, longestPauseMs)) {
    try {
      watch.lag = await look(watch, signal)
      watch.misses = 0
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error
      watch.lag = error.message
      watch.misses++
    }
    if (watch.lag === '' || isSpokenFor(watch, all)) return
    await sleep(pauseMs, undefined, { signal })
  }
}

/**
 * An IPv6 address that never answers is more often this machine's IPv6 than the server: the same server's IPv4
 * address stands for it.
 */
function isSpokenFor(watch: Watch, all: readonly Watch[]): boolean {
  if (!isIPv6(watch.server.address) || watch.misses < 2) return false
  return all.some((other) => other.host === watch.host && isIPv4(other.server.address) && other.lag === '')
}

/** What the server does not say yet; empty when it says everything. Throws ProviderError when it says nothing. */
async function look({ server, wanted }: Watch, signal: AbortSignal): Promise<string> {
  for (const name of new Set(wanted.map((record) => record.name))) {
    const question = { name, type: 'TXT', recursionDesired: false } as const
    const answer = await query(server, question, { signal, attempts: [attemptMs] })
    const values = wanted.filter((record) => record.name === name).map((record) => record.value)
    const lag = lagOf(answer, name, values)
    if (lag !== '') return lag
  }
  return ''
}

function lagOf(answer: DnsMessage, name: string, values: readonly string[]): string {
  if (answer.rcode !== 'NOERROR' && answer.rcode !== 'NXDOMAIN') return `answers ${answer.rcode}`
  if (!answer.authoritative) return 'answers, but not with authority (lame)'
  const says = answer.answers.filter((record) => record.type === 'TXT' && record.name === name)
  const missing = values.filter((value) => !says.some(({ text }) => text === value))
  if (missing.length === 0) return ''
  const last = JSON.stringify(says.at(-1)?.text.slice(0, 60))
  const others = says.length === 0 ? 'no TXT record' : `${says.length} TXT records, the last ${last}`
  return printableLine(`says ${others}; missing ${missing.map((value) => `"${value}"`).join(', ')}`)
}

function notSeen(
  records: readonly PlacedRecord[],
  lagging: readonly Watch[],
  deadlineMs: number,
): ProviderError {
  const names = [...new Set(records.map((record) => record.name))].join(', ')
  const providers = [...new Set(records.map((record) => record.provider))].join(', ')
  const servers = lagging.map((watch) => watch.shown).join(', ')
  const [first] = lagging
  return new ProviderError(
    `TXT ${names} is not seen everywhere after ${deadlineMs / 1000} s: ${servers ? `lagging ${servers}` : 'no name server was found in time'}`,
    {
      detail: lagging.map((watch) => `${watch.shown}: ${watch.lag}`).join('\n'),
      hint: [
        ...(first
          ? [`look for yourself: dig +norecurse @${first.server.address} ${first.wanted[0]?.name} TXT`]
          : []),
        `the records were written through ${providers}; a name server that is gone must leave the zone's NS records`,
      ],
    },
  )
}
