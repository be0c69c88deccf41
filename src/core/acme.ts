import type { Secret } from './secret.ts'

/** One CA account's settings, with names resolved to URLs and files to their text. */
export interface AcmeSettings {
  /** Where it stands in the configuration, for hints: `acme`, `acme.fallback[0]`. */
  readonly place?: string | undefined
  /** It is not the first one: a version of which no CA is on record is not from it. */
  readonly fallback?: boolean | undefined
  /** https URL of the directory (RFC 8555 section 7.1.1). */
  readonly directory: string
  /** Mail addresses without `mailto:`. */
  readonly contact: readonly string[]
  /** External account binding (RFC 8555 section 7.3.4); `hmac` is base64url. */
  readonly eab?: { readonly kid: string; readonly hmac: Secret } | undefined
  /** PEM of the roots that the CA's own HTTPS and the issued chains are checked against, for private CAs. */
  readonly caBundle?: string | undefined
  readonly profile?: string | undefined
  /** Common name of a certificate in the chain to prefer. */
  readonly preferredChain?: string | undefined
}
