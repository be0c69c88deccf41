import { issuerOf } from './acme/issuers.ts'
import { openRenewalInfo } from './acme/renewal-info.ts'
import type { RenewalInfo, RenewalInfoOptions } from './acme/renewal-info.ts'
import type { Cas } from './cas.ts'
import type { Leaf } from './core/certificate.ts'

/** The same of all configured CAs: what the one that issued a leaf says of it. */
export type RenewalInformation = Omit<RenewalInfo, 'recall'>

type Options = Omit<RenewalInfoOptions, 'directory' | 'settings' | 'issued'> & { readonly cas: Cas }

/** Each leaf is asked about at the CA that issued it; which one that is, is looked up once and then remembered. */
export function openRenewalInformation({ cas, ...options }: Options): RenewalInformation {
  const [first] = cas.all
  const infos = cas.all.map((ca): RenewalInfo => {
    const { directory } = ca
    const settings = async () => ({ directory, caBundle: await cas.bundle(ca) })
    // Versions of before this was written down are judged as from the first.
    const issued = async (certificate: string, leaf: Leaf): Promise<boolean> => {
      const issuer = await issuerOf(options.store, certificate, leaf).catch(() => undefined)
      return (issuer ?? first.directory) === directory
    }
    return openRenewalInfo({ ...options, directory, settings, issued })
  })

  return {
    async suggestion(certificate, leaf, { ask }) {
      const elsewhere = new Set<RenewalInfo>()
      for (const info of infos) {
        const known = await info.recall(certificate, leaf)
        if (known && !known.elsewhere) return info.suggestion(certificate, leaf, { ask })
        if (known && Date.parse(known.nextAt) > options.now().getTime()) elsewhere.add(info)
      }
      for (const info of infos) {
        if (elsewhere.has(info)) continue
        const said = await info.suggestion(certificate, leaf, { ask })
        const known = await info.recall(certificate, leaf)
        if (known && !known.elsewhere) return said
      }
      return undefined
    },
    async keep() {
      for (const info of infos) await info.keep()
    },
    [Symbol.dispose]: () => {
      for (const info of infos) info[Symbol.dispose]()
    },
  }
}
