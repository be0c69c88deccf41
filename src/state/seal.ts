import { sha256 } from '../core/certificate.ts'

/**
 * What is known of a sealed key without opening it. It stands as a stanza of our own in the header of the age file,
 * `-> certs-key RECIPIENTS SUM [SUM]`, which age programs pass over; files that were sealed by hand lack it.
 */
export interface Seal {
  /** SHA-256 of the key's PEM, and of the file that holds a version's key with its fullchain. */
  readonly sums: { readonly privkey: string; readonly combined?: string }
  /** As `digestOf` says of those it is sealed to. */
  readonly recipients: string
}

export const stanzaName = 'certs-key'

const armorStart = '-----BEGIN AGE ENCRYPTED FILE-----'
const binaryStart = 'age-encryption.org/v1'

export function isSealed(text: string): boolean {
  return isArmored(text) || text.startsWith(binaryStart)
}

/** Binary age files are not read: as text they are damaged. */
export function isArmored(text: string): boolean {
  return text.trimStart().startsWith(armorStart)
}

export function readSeal(text: string): Seal | undefined {
  if (!isArmored(text)) return undefined
  const body = text.replaceAll(/-----[A-Z ]+-----|\s/g, '')
  const [header = ''] = Buffer.from(body, 'base64').toString('latin1').split('\n---', 1)
  const stanza = /^-> certs-key ([0-9a-f]{64}) ([0-9a-f]{64})(?: ([0-9a-f]{64}))?$/m
  const [, recipients, privkey, combined] = stanza.exec(header) ?? []
  if (recipients === undefined || privkey === undefined) return undefined
  return { recipients, sums: { privkey, ...(combined !== undefined && { combined }) } }
}

/** The same for the same recipients in any order. */
export function digestOf(recipients: readonly string[]): string {
  return sha256([...new Set(recipients)].toSorted().join('\n'))
}
