import { armor, Decrypter, Encrypter, identityToRecipient, Stanza } from 'age-encryption'
import { digestOf, stanzaName } from './seal.ts'
import type { Seal } from './seal.ts'

/** Seals a key's PEM to the recipients, as armored age text that `age -d` opens. */
export async function sealTo(
  recipients: readonly string[],
  pem: string,
  sums: Seal['sums'],
): Promise<string> {
  const encrypter = new Encrypter()
  for (const recipient of new Set(recipients)) encrypter.addRecipient(recipient)
  const known = new Stanza(
    [stanzaName, digestOf(recipients), sums.privkey, ...(sums.combined ? [sums.combined] : [])],
    new Uint8Array(),
  )
  encrypter.addRecipient({ wrapFileKey: () => [known] })
  return armor.encode(await encrypter.encrypt(pem))
}

/** `foreign`: sealed to none of the identities, as far as can be told; what is damaged in the header looks so, too. */
export type Opened =
  | { readonly kind: 'opened'; readonly pem: string }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'damaged'; readonly because: string }

/** Opens armored age text with the first identity that fits. */
export async function openWith(identities: readonly string[], text: string): Promise<Opened> {
  const decrypter = new Decrypter()
  for (const identity of identities) decrypter.addIdentity(identity)
  try {
    return { kind: 'opened', pem: await decrypter.decrypt(armor.decode(text), 'text') }
  } catch (error) {
    const because = error instanceof Error ? error.message : 'unknown'
    return because.startsWith('no identity matched') ? { kind: 'foreign' } : { kind: 'damaged', because }
  }
}

/** The recipient that belongs to an identity; undefined when the identity is not whole. */
export async function recipientOf(identity: string): Promise<string | undefined> {
  return identityToRecipient(identity).catch(() => undefined)
}
