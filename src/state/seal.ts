import { sha256 } from '../core/certificate.ts'

/**
 * What is known of a sealed key without opening it. It stands as a stanza of our own in the header of the age file,
 * `-> certs-key SUM RECIPIENTS`, which age programs pass over; files that were sealed by hand lack it.
 */
export interface Seal {
  /** SHA-256 of the key's PEM. */
  readonly keySum: string
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
  const [, keySum, recipients] = /^-> certs-key ([0-9a-f]{64}) ([0-9a-f]{64})$/m.exec(header) ?? []
  return keySum === undefined || recipients === undefined ? undefined : { keySum, recipients }
}

/** The same for the same recipients in any order. */
export function digestOf(recipients: readonly string[]): string {
  return sha256([...new Set(recipients)].toSorted().join('\n'))
}
