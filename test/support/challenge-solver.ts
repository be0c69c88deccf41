import { Resolver } from 'node:dns/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { ProviderError } from '../../src/core/errors.ts'
import { persistName } from '../../src/core/persist-record.ts'
import type { PlacedRecord, Solver } from '../../src/dns/solver.ts'

export interface ChallengeDns {
  readonly dnsServer: string
  readonly managementUrl: string
}

export interface ChallengeSolver extends Solver {
  /** TXT values at a name now, as DNS says them. */
  values(name: string): Promise<string[]>
}

/** A solver on pebble-challtestsrv, stateless: what is there is asked by DNS, so that several processes can use it. */
export function createChallengeSolver({ dnsServer, managementUrl }: ChallengeDns): ChallengeSolver {
  const resolver = new Resolver({ timeout: 2_000, tries: 3 })
  resolver.setServers([dnsServer])

  const values = async (name: string): Promise<string[]> => {
    const records = await resolver.resolveTxt(name).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && /ENODATA|ENOTFOUND/.test(String(error.code))) return []
      throw error
    })
    return records.map((chunks) => chunks.join(''))
  }
  const post = async (path: string, body: object): Promise<void> => {
    const answer = await fetch(`${managementUrl}${path}`, { method: 'POST', body: JSON.stringify(body) })
    if (!answer.ok) throw new ProviderError(`${path} at pebble-challtestsrv failed: HTTP ${answer.status}`)
  }
  const has = async ({ name, value }: PlacedRecord): Promise<boolean> => (await values(name)).includes(value)

  return {
    values,
    locate: async (identifier) => {
      const zone = identifier.split('.').slice(-2).join('.')
      return { zone, name: `_acme-challenge.${identifier}`, provider: 'challtestsrv' }
    },
    standing: async (identifier) => {
      const name = persistName(identifier)
      const servers = [{ shown: 'challtestsrv', values: await values(name) }]
      return { zone: identifier.split('.').slice(-2).join('.'), name, servers }
    },
    create: async (record) => {
      if (!(await has(record))) await post('/set-txt', { host: `${record.name}.`, value: record.value })
    },
    remove: async ({ name, value }) => {
      const left = (await values(name)).filter((other) => other !== value)
      await post('/clear-txt', { host: `${name}.` })
      for (const other of left) await post('/set-txt', { host: `${name}.`, value: other })
    },
    waitUntilSeen: async (records, { deadlineMs, onProgress, signal }) => {
      const deadline = performance.now() + deadlineMs
      for (;;) {
        const seen = await Promise.all(records.map(has))
        onProgress(seen.every(Boolean) ? 1 : 0, 1)
        if (seen.every(Boolean)) return
        if (performance.now() > deadline) throw new ProviderError('TXT records were not seen in time')
        await sleep(20, undefined, { signal })
      }
    },
  }
}
