import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { Secret } from '../../src/core/secret.ts'
import { openVault, type Vault } from '../../src/state/vault.ts'

export interface AgeIdentity {
  /** As `AGE-SECRET-KEY-1…`. */
  readonly text: string
  /** As `age1…`. */
  readonly recipient: string
}

export async function makeIdentity(): Promise<AgeIdentity> {
  const text = await generateX25519Identity()
  return { text, recipient: await identityToRecipient(text) }
}

/** Seals to these, and opens with those. */
export function vaultOf(recipients: readonly AgeIdentity[], identities: readonly AgeIdentity[]): Vault {
  const text = identities.map((one) => one.text).join('\n')
  return openVault({
    recipients: recipients.map(({ recipient }) => recipient),
    identity: identities.length === 0 ? undefined : () => Promise.resolve(new Secret(text)),
  })
}
