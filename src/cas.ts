import { readFile } from 'node:fs/promises'
import { issuerOf } from './acme/issuers.ts'
import type { CaSettings, Settings } from './config/settings.ts'
import type { AcmeSettings } from './core/acme.ts'
import { readLeaf } from './core/certificate.ts'
import type { PublicVersion } from './core/certificate.ts'
import { ConfigError } from './core/errors.ts'
import { resolveSecret } from './secrets.ts'
import type { Environment } from './secrets.ts'
import type { Store } from './state/store.ts'

/** The configured CAs; what they need is read when it is needed. */
export interface Cas {
  /** The one to use first. */
  readonly all: Settings['cas']
  /** Throws ConfigError when a secret or file can't be read, or no configured CA has this directory. */
  settings(directory: string): Promise<AcmeSettings>
  /** PEM of the roots of a private CA; undefined for a public one. */
  bundle(ca: CaSettings): Promise<string | undefined>
  /**
   * The CA that issued a version; all of them where none is on record, the likeliest first. Throws ConfigError when it
   * is not configured.
   */
  issuersOf(version: PublicVersion): Promise<readonly CaSettings[]>
  /** PEM of the roots that issued chains lead to, or the word `system` for the machine's own. */
  roots(): Promise<string>
}

export function openCas(all: Settings['cas'], means: { env: Environment; store: Store }): Cas {
  const { env, store } = means
  const find = (directory: string) => all.find((one) => one.directory === directory)
  const bundle = async ({ caBundle, place }: CaSettings) =>
    caBundle === undefined ? undefined : readBundle(caBundle, place)

  return {
    all,
    bundle,

    async settings(directory) {
      const ca = find(directory)
      if (!ca) throw notConfigured(`talking to the CA at ${directory} failed`, directory)
      const { eab, place, contact, profile, preferredChain } = ca
      return {
        place,
        fallback: ca !== all[0],
        directory,
        contact,
        profile,
        preferredChain,
        eab: eab && { kid: eab.kid, hmac: await resolveSecret(eab.hmac, `${place}.eab.hmac`, env) },
        caBundle: await bundle(ca),
      }
    },

    async issuersOf({ certificate, number, leaf }) {
      const directory = await issuerOf(store, certificate, readLeaf(leaf))
      if (directory === undefined) return all
      const ca = find(directory)
      if (ca) return [ca]
      throw notConfigured(`finding the CA of version ${number} of ${certificate} failed`, directory)
    },

    async roots() {
      const bundles = await Promise.all(all.map(bundle))
      if (bundles.every((one) => one === undefined)) return 'system'
      const { getCACertificates } = await import('node:tls')
      const trusted = bundles.map((one) => one ?? getCACertificates('default').join('\n'))
      return [...new Set(trusted)].join('\n')
    },
  }
}

function notConfigured(failed: string, directory: string): ConfigError {
  return new ConfigError(`${failed}: ${directory} is no longer configured`, {
    hint: `put it back: acme: { …, fallback: [{ directory: '${directory}' }] }`,
  })
}

function readBundle(path: string, place: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigError(`reading ${place}.caBundle from ${path} failed: ${cause.code}`, { cause })
  })
}
