import { sayInstant } from './duration.ts'
import type { Endpoint, Served } from './node.ts'

/** What an endpoint shall serve, as SHA-256 fingerprints in lower-case hex. */
export interface Wanted {
  readonly leafFingerprint: string
  /** From the leaf's issuer upwards, without the root; undefined: whatever chain there is. */
  readonly chainFingerprints?: readonly string[] | undefined
}

/** `203.0.113.11:443`, `[2001:db8::1]:443`, and ` by ssh` where the node itself is the client. */
export function endpointName({ address, port, via }: Endpoint): string {
  const place = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  return via === 'ssh' ? `${place} by ssh` : place
}

/** Why what is served is not what is wanted, one line; undefined when it is. */
export function judgeServed(served: Served, wanted: Wanted): string | undefined {
  const { endpoint, name, leaf, chain = [], error } = served
  const place = `${endpointName(endpoint)} for ${name}`
  if (!leaf) return `no certificate from ${place}: ${error ?? 'none was sent'}`
  if (leaf.fingerprint !== wanted.leafFingerprint) {
    const names = leaf.names.includes(name) ? '' : `, for ${leaf.names.join(' ') || 'no DNS name'}`
    return `${place} serves the certificate with serial ${leaf.serial}, valid until ${sayInstant(leaf.notAfter)}${names}, not the wanted one`
  }
  const wantedChain = wanted.chainFingerprints
  if (!wantedChain || equal(chain, wantedChain)) return undefined
  const lacking = wantedChain.filter((one) => !chain.includes(one)).length
  if (lacking > 0 && chain.length < wantedChain.length) {
    return `${place} serves the wanted leaf, but the chain lacks ${lacking === 1 ? 'the intermediate' : `${lacking} intermediates`}`
  }
  return `${place} serves the wanted leaf, but another chain`
}

function equal(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((item, index) => item === other[index])
}
