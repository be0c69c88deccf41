import { readLeaf } from '../core/certificate.ts'
import type { Leaf, Version } from '../core/certificate.ts'
import type { Store } from '../state/store.ts'

/**
 * Which CA issued what is stored of a certificate: the document `issuers/NAME`, by the leaf's fingerprint, since a
 * version may stand under two numbers. The issuer that a leaf itself names is no proof: CAs sign for each other.
 */
interface Issuers {
  readonly leaves: Readonly<Record<string, { readonly number: number; readonly directory: string }>>
}

/** Before the version is stored, so that no stored version of ours is without. */
export async function recordIssuer(
  store: Store,
  { certificate, number, leaf }: Version,
  directory: string,
): Promise<void> {
  const key = keyOf(certificate)
  const found = await store.get<Issuers>(key)
  const { fingerprint } = readLeaf(leaf)
  const leaves = { ...found?.value.leaves, [fingerprint]: { number, directory } }
  await store.put(key, { leaves }, found?.revision)
}

/** URL of the directory of the CA that issued this leaf; undefined where it is not on record. */
export async function issuerOf(
  store: Store,
  certificate: string,
  { fingerprint }: Pick<Leaf, 'fingerprint'>,
): Promise<string | undefined> {
  return (await store.get<Issuers>(keyOf(certificate)))?.value.leaves[fingerprint]?.directory
}

function keyOf(certificate: string): string {
  return `issuers/${certificate}`
}
