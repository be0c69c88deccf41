import { setTimeout as sleep } from 'node:timers/promises'
import { ProviderError } from '../core/errors.ts'
import { showNameServer, type NameServer } from '../core/name-server.ts'
import { printableLine } from '../core/printable.ts'
import { query } from './query.ts'
import type { Resolver } from './resolver.ts'
import type { PlacedRecord, WaitOptions } from './solver.ts'

export interface PropagationOptions extends WaitOptions {
  readonly resolver: Resolver
  /** Where authoritative servers listen; 53 outside of tests. */
  readonly port: number
  /** Ask the servers' IPv6 addresses, too. */
  readonly ipv6: boolean
}

const firstPauseMs = 50
const longestPauseMs = 2000
const attemptMs = 2000

/** One address of one authoritative server, and what it must say. */
interface Watch {
  readonly server: NameServer
  /** `ns1.hachyderm.io (192.0.2.1)`. */
  readonly shown: string
  readonly wanted: readonly PlacedRecord[]
  /** What was wrong at the last look: one line. */
  lag: string
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
    const found = await Promise.all(zones.map((zone) => serversOf(zone, { ...options, signal })))
    watches.push(...found.flat().map((each) => ({ ...each, wanted: wantedOf(each.zone, records) })))
    onProgress(seen, watches.length)
    const all = watches.map(async (watch) => {
      await poll(watch, signal)
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

type Server = Pick<Watch, 'server' | 'shown' | 'lag'> & { readonly zone: string }

/** A name server without an address is passed over, as a CA's resolver does; none at all is an error. */
async function serversOf(zone: string, options: PropagationOptions): Promise<Server[]> {
  const { resolver, signal, port } = options
  const hosts = await resolver.lookUp(zone, 'NS', signal)
  const types = options.ipv6 ? (['A', 'AAAA'] as const) : (['A'] as const)
  const lookUps = hosts.flatMap((host) =>
    types.map(async (type) =>
      (await resolver.lookUp(host, type, signal)).map((address) => ({ host, address })),
    ),
  )
  const hostOf = new Map((await Promise.all(lookUps)).flat().map(({ host, address }) => [address, host]))
  if (hostOf.size === 0) {
    throw new ProviderError(
      `no name server of ${zone} has an address to ask: ${hosts.join(', ') || 'no NS records'}`,
      {
        hint: `see what the public DNS says: dig ${zone} NS`,
      },
    )
  }
  return [...hostOf].map(([address, host]) => {
    const server = { address, port }
    return { server, shown: `${host} (${showNameServer(server)})`, zone, lag: 'not asked yet' }
  })
}

function wantedOf(zone: string, records: readonly PlacedRecord[]): readonly PlacedRecord[] {
  return records.filter((record) => record.zone === zone)
}

async function poll(watch: Watch, signal: AbortSignal): Promise<void> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 1.6, longestPauseMs)) {
    watch.lag = await look(watch, signal)
    if (watch.lag === '') return
    await sleep(pauseMs, undefined, { signal })
  }
}

/** What the server does not say yet; empty when it says everything. */
async function look({ server, wanted }: Watch, signal: AbortSignal): Promise<string> {
  for (const name of new Set(wanted.map((record) => record.name))) {
    const values = wanted.filter((record) => record.name === name).map((record) => record.value)
    const lag = await lookAt(server, { name, values, signal })
    if (lag !== '') return lag
  }
  return ''
}

async function lookAt(
  server: NameServer,
  { name, values, signal }: { name: string; values: readonly string[]; signal: AbortSignal },
): Promise<string> {
  try {
    const question = { name, type: 'TXT', recursionDesired: false } as const
    const answer = await query(server, question, { signal, attempts: [attemptMs] })
    if (answer.rcode !== 'NOERROR' && answer.rcode !== 'NXDOMAIN') return `answers ${answer.rcode}`
    if (!answer.authoritative) return 'answers, but not with authority (lame)'
    const says = answer.answers.filter((record) => record.type === 'TXT' && record.name === name)
    const missing = values.filter((value) => !says.some(({ text }) => text === value))
    if (missing.length === 0) return ''
    const others =
      says.length === 0
        ? 'no TXT record'
        : `${says.length} TXT records, the last ${JSON.stringify(says.at(-1)?.text)}`
    return printableLine(`says ${others}; missing ${missing.map((value) => `"${value}"`).join(', ')}`)
  } catch (error) {
    if (error instanceof ProviderError) return error.message
    throw error
  }
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
    `TXT ${names} is not seen everywhere after ${deadlineMs / 1000} s: lagging ${servers || 'unknown: no name server was found in time'}`,
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
