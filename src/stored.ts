import type { App } from './app.ts'
import type { Certificate } from './core/certificate.ts'
import { readLeaf } from './core/certificate.ts'
import { CertsError, errorFacts } from './core/errors.ts'
import type { CertificateObservation, OrderUnderWay } from './core/observed.ts'
import { versionFacts } from './core/version.ts'
import type { VersionFacts } from './core/version.ts'
import type { Newest, Store } from './state/store.ts'

export type Stored = Omit<CertificateObservation, 'challenges' | 'preflight' | 'domains' | 'looks'>

export interface StoredOptions {
  readonly certificates: readonly Certificate[]
  /** Older versions are of interest, too. */
  readonly history: boolean
}

/**
 * What the store says of certificates: versions, the order under way, failed attempts, holds, what was withdrawn. Listed
 * once for all, so that thousands of certificates of which nothing is due cost little more than reading their leaves.
 */
export async function recallStored(
  { store, memory, withdrawals }: Pick<App, 'store' | 'memory' | 'withdrawals'>,
  { certificates, history }: StoredOptions,
): Promise<(certificate: Certificate) => Promise<Stored>> {
  const names = certificates.map(({ name }) => name)
  const [newest, orders, recall, withdrawn] = await Promise.all([
    store.newest(names).catch(() => undefined),
    store.list('orders'),
    memory.recall(),
    withdrawals.recall(),
  ])
  const ordered = new Set(orders)
  return async (certificate) => {
    const { name } = certificate
    try {
      // One that can't be read has spoilt it for all; now each is on its own.
      const found = (newest ?? (await store.newest([name]))).get(name)
      const versions = await readVersions(store, certificate, { found, history })
      const underway = ordered.has(`orders/${name}`) ? await readOrder(store, name, found) : undefined
      return {
        versions,
        highest: found?.highest ?? 0,
        ...(underway && { underway }),
        ...(await recall(name)),
        withdrawal: withdrawn(name),
      }
    } catch (error) {
      if (!(error instanceof CertsError)) throw error
      return { versions: [], highest: 0, fault: errorFacts(error) }
    }
  }
}

/** Chain and the key's sum are read where there are nodes to compare them with. */
async function readVersions(
  store: Store,
  { name, nodes }: Certificate,
  { found, history }: { readonly found: Newest | undefined; readonly history: boolean },
): Promise<VersionFacts[]> {
  if (!found?.version) return []
  const { number, leaf } = found.version
  if (!history && nodes.length === 0) return [{ number, leaf: readLeaf(leaf), chain: [], files: {} }]
  const numbers = history ? await store.listVersions(name) : [number]
  const versions = await Promise.all(numbers.map((one) => store.getPublicVersion(name, one)))
  return versions.flatMap((version) => (version ? versionFacts(version) : []))
}

/** As far as it matters here; src/acme keeps it. */
interface WrittenOrder {
  readonly number: number
  readonly directory: string
  readonly orderUrl?: string
  readonly finalizing?: boolean
}

/** An order whose version is stored is over, whatever was left of it. */
async function readOrder(
  store: Store,
  name: string,
  found: Newest | undefined,
): Promise<OrderUnderWay | undefined> {
  const order = await store.get<WrittenOrder>(`orders/${name}`)
  if (!order) return undefined
  const { number, directory, orderUrl, finalizing = false } = order.value
  const over = found?.version?.number === number || (await store.listVersions(name)).includes(number)
  return over ? undefined : { number, directory, ordered: orderUrl !== undefined, finalizing }
}
