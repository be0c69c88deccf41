import { getServers } from 'node:dns'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DnsMessage, RecordType } from '../core/dns-message.ts'
import { ProviderError } from '../core/errors.ts'
import { parseNameServer, showNameServer, type NameServer } from '../core/name-server.ts'
import { explainServfail } from './dnssec.ts'
import { query } from './query.ts'

/** A SERVFAIL often passes: each resolver is asked once more after this. */
const secondRoundMs = 500

/** Recursive look-ups: what the public DNS says. */
export interface Resolver {
  /**
   * The whole answer, NOERROR or NXDOMAIN. Throws ProviderError when no resolver gives one of these; BogusDnssec
   * when it is validation that stands in the way.
   */
  ask(name: string, type: RecordType, signal: AbortSignal): Promise<DnsMessage>
  /** What records of the type at exactly this name say; CNAMEs are not followed. */
  lookUp(name: string, type: RecordType, signal: AbortSignal): Promise<string[]>
}

/** `servers` as the configuration's `resolvers`; the system's when empty. The first that answers counts. */
export function createResolver(servers: readonly string[] = []): Resolver {
  const configured = servers.length > 0
  const list = (configured ? servers : getServers()).map((text) => parseNameServer(text))

  async function ask(name: string, type: RecordType, signal: AbortSignal): Promise<DnsMessage> {
    let failures: string[] = []
    let refusing: NameServer | undefined
    for (const pauseMs of [0, secondRoundMs]) {
      if (pauseMs > 0) await sleep(pauseMs, undefined, { signal })
      failures = []
      for (const server of list) {
        const answer = await tryOne(server, { name, type, signal })
        if (answer.rcode === 'NOERROR' || answer.rcode === 'NXDOMAIN') return answer
        if (answer.rcode === 'SERVFAIL') refusing = server
        failures.push(answer.failure ?? `${showNameServer(server)} answered ${answer.rcode}`)
      }
    }
    const bogus = refusing && (await explainServfail(refusing, { name, type, signal }))
    if (bogus) throw bogus
    throw new ProviderError(
      `look-up of ${type} ${name} failed: ${failures.join('; ') || 'no resolver is known'}`,
      {
        hint: configured
          ? `try it by hand: dig @${list[0]?.address} -p ${list[0]?.port} ${name} ${type}`
          : "set resolvers: ['ADDRESS'] in the configuration when the system's resolvers do not see the public DNS",
      },
    )
  }

  return {
    ask,
    async lookUp(name, type, signal) {
      const { answers } = await ask(name, type, signal)
      return answers.filter((record) => record.name === name && record.type === type).map(({ text }) => text)
    },
  }
}

type Attempt =
  (DnsMessage & { readonly failure?: never }) | { readonly rcode?: never; readonly failure: string }

/** The answer, whatever it is, or why none came. */
async function tryOne(
  server: NameServer,
  { name, type, signal }: { name: string; type: RecordType; signal: AbortSignal },
): Promise<Attempt> {
  try {
    return await query(server, { name, type, recursionDesired: true }, { signal })
  } catch (error) {
    if (error instanceof ProviderError) return { failure: error.message }
    throw error
  }
}
