import type { Leaf } from './certificate.ts'
import { sayInstant } from './duration.ts'
import type { ErrorFacts } from './errors.ts'

/** The codes of RFC 5280 section 5.3.1 that a subscriber may give. */
export const reasonCodes = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
} as const

export type Reason = keyof typeof reasonCodes

/** A key that is never used again: what a person revoked, written down before the CA is told. */
export interface BlockedKey {
  readonly certificate: string
  readonly number: number
  readonly reason: Reason
  /** ISO 8601. */
  readonly at: string
  /** When the CA took the revocation; absent before. */
  readonly revokedAt?: string
}

/** A person asked for the version with this number to be replaced, although nothing is wrong with its dates. */
export interface ReplacementAsked {
  readonly number: number
  /** ISO 8601. */
  readonly at: string
}

/** What persons decided about the versions of a certificate. */
export interface Withdrawal {
  /** Of all certificates, by the SHA-256 of the subjectPublicKeyInfo: a version may stand under two numbers. */
  readonly blocked: ReadonlyMap<string, BlockedKey>
  readonly asked?: ReplacementAsked | undefined
}

/** Why a version is to be replaced whatever its dates say; undefined when it is not. */
export function judgeWithdrawal(
  newest: { readonly number: number; readonly leaf: Leaf } | undefined,
  withdrawal: Withdrawal | undefined,
): string | undefined {
  if (!newest || !withdrawal) return undefined
  const blocked = withdrawal.blocked.get(newest.leaf.spki)
  if (blocked) return `the key of version ${newest.number} is blocked (${blocked.reason})`
  const { asked } = withdrawal
  return asked && asked.number >= newest.number
    ? `its replacement was asked for at ${sayInstant(asked.at)}`
    : undefined
}

/** Why a version goes nowhere any more, whoever asks for it. */
export function refuseBlocked(certificate: string, number: number, key: BlockedKey): ErrorFacts {
  return {
    message: `version ${number} of ${certificate} is never rolled out again: its key was blocked at ${sayInstant(key.at)} (${key.reason})`,
    hints: [`certs rollout ${certificate} brings the newest version, with another key`],
  }
}
