import { fileKinds, filesOf, readLeaf, sha256, splitPem } from './certificate.ts'
import type { FileKind, Leaf, Version } from './certificate.ts'

/** What may be said of a version in plans and reports: everything but the key. */
export interface VersionFacts {
  readonly number: number
  readonly leaf: Leaf
  /** SHA-256 fingerprints of the chain, the leaf's issuer first. Empty where no node is to be compared with it. */
  readonly chain: readonly string[]
  /** SHA-256 of the four files' bytes; likewise. */
  readonly files: Readonly<Partial<Record<FileKind, string>>>
}

export function versionFacts(version: Version): VersionFacts {
  const files = filesOf(version)
  const sums = fileKinds.map((kind) => [kind, sha256(files[kind])] as const)
  return {
    number: version.number,
    leaf: readLeaf(version.leaf),
    chain: splitPem(version.chain).map((pem) => readLeaf(pem).fingerprint),
    files: Object.fromEntries(sums),
  }
}
