import { filesOf, publicFilesOf, readLeaf, secretSumsOf, sha256, splitPem } from './certificate.ts'
import type { ArchiveKind, Leaf, PublicVersion, Version } from './certificate.ts'

/** What may be said of a version in plans and reports: everything but the key. */
export interface VersionFacts {
  readonly number: number
  readonly leaf: Leaf
  /** SHA-256 fingerprints of the chain, the leaf's issuer first. Empty where no node is to be compared with it. */
  readonly chain: readonly string[]
  /** SHA-256 of the files' bytes; likewise, and those with the key in them where it is not known. */
  readonly files: Readonly<Partial<Record<ArchiveKind, string>>>
}

export function versionFacts(version: Version | PublicVersion): VersionFacts {
  const { cert, chain, fullchain } = publicFilesOf(version)
  const secret = 'key' in version ? secretSumsOf(filesOf(version)) : version.secretSums
  return {
    number: version.number,
    leaf: readLeaf(version.leaf),
    chain: splitPem(version.chain).map((pem) => readLeaf(pem).fingerprint),
    files: { ...secret, cert: sha256(cert), chain: sha256(chain), fullchain: sha256(fullchain) },
  }
}
