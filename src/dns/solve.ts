import type { Provider } from '../../providers/provider.ts'
import { ProviderError } from '../core/errors.ts'
import { challengeName } from './challenge.ts'
import { findDestination, type Destination } from './delegation.ts'
import { waitUntilSeen } from './propagation.ts'
import { createResolver } from './resolver.ts'
import type { Place, Solver } from './solver.ts'
import { findStanding } from './standing.ts'

export interface SolverOptions {
  /** The configuration's `dns`, each opened when it is first asked. */
  readonly providers: Readonly<Record<string, () => Promise<Provider>>>
  /** The provider to ask first, where one is chosen. */
  readonly preferred?: string | undefined
  /** As `192.0.2.53` or `192.0.2.53:53`; the system's when empty. */
  readonly resolvers?: readonly string[] | undefined
  /** 53 unless given: only tests have authoritative servers elsewhere. */
  readonly authoritativePort?: number | undefined
}

export function createSolver(options: SolverOptions): Solver {
  const resolver = createResolver(options.resolvers)
  const { authoritativePort: port = 53 } = options

  function provider(name: string): Promise<Provider> {
    const open = options.providers[name]
    if (open) return open()
    throw new ProviderError(`no DNS provider is called ${name} in the configuration any more`, {
      hint: `put it back under dns: { ${name}: … } until the records that it holds are removed`,
    })
  }

  return {
    async locate(identifier, signal) {
      const destination = await findDestination(challengeName(identifier), resolver, signal)
      return choose(destination, options, signal)
    },
    standing: (identifier, signal) => findStanding(identifier, resolver, { signal, port }),
    async create({ provider: name, ...record }, signal) {
      await (await provider(name)).create(record, signal)
    },
    waitUntilSeen: (records, wait) => waitUntilSeen(records, { ...wait, resolver, port }),
    async remove({ provider: name, ...record }, signal) {
      await (await provider(name)).remove(record, signal)
    },
  }
}

/** The preferred provider when it holds the zone, else another that does. */
async function choose(
  { zone, name, chain }: Destination,
  { providers, preferred }: SolverOptions,
  signal: AbortSignal,
): Promise<Place> {
  const others = Object.keys(providers).filter((each) => each !== preferred)
  const tried: string[] = []
  for (const each of [...(preferred === undefined ? [] : [preferred]), ...others]) {
    try {
      const opened = await providers[each]?.()
      if (await opened?.holdsZone(zone, signal)) return { zone, name, provider: each }
      tried.push(`${each} does not hold it`)
    } catch (error) {
      // The one that was configured for this must work; another one is only a chance.
      if (each === preferred || !(error instanceof Error) || signal.aborted) throw error
      tried.push(`${each}: ${error.message}`)
    }
  }
  const delegated = chain.length > 1 ? ` (${chain.join(' → ')})` : ''
  const own = preferred ?? 'one of them'
  throw new ProviderError(
    `no DNS provider holds the zone ${zone} of ${name}${delegated}: ${tried.join('; ')}`,
    {
      hint: [
        `configure one that does under dns, or give the account of ${own} access to ${zone}`,
        `or delegate: ${chain[0]}. IN CNAME to a name in a zone that ${own} holds`,
      ],
    },
  )
}
