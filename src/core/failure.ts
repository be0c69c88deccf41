import { AcmeError } from './errors.ts'
import { RefusedCertificate } from './issued.ts'

/**
 * What a failure at one CA says of the next one. `down`: nothing usable comes from it; `refused`: it said no for a
 * reason of its own; `shared`: what we sent, our DNS or our configuration is at fault, and the next CA would fail, too.
 */
export type Failure = 'down' | 'refused' | 'shared'

/** By problem type (RFC 8555 section 6.7 and the registry that it opens). What is not here is `shared`. */
const byType: Readonly<Record<string, Failure>> = {
  serverInternal: 'down',
  // After 25 tries, each with the nonce that it gave itself.
  badNonce: 'down',
  rateLimited: 'refused',
  caa: 'refused',
  rejectedIdentifier: 'refused',
  unsupportedIdentifier: 'refused',
  // Its new terms, its memory of our account, its policy and what it offers are its own.
  userActionRequired: 'refused',
  accountDoesNotExist: 'refused',
  unauthorized: 'refused',
  unsupportedChallenge: 'refused',
}

export function judgeFailure(error: unknown): Failure {
  if (!(error instanceof AcmeError)) return 'shared'
  if (error instanceof RefusedCertificate) return error.curable ? 'shared' : 'refused'
  const { type, status, subproblems } = error
  const types = subproblems.length > 0 ? subproblems.map((one) => one.type) : [type]
  const judged = types.map((one) => judgeType(one, status))
  return judged.find((one) => one === 'shared') ?? judged.find((one) => one === 'refused') ?? 'down'
}

function judgeType(type: string | undefined, status: number | undefined): Failure {
  // No answer, or one that is no ACME: an error page, garbage, foreign URLs, HTTPS that can't be trusted.
  if (type === undefined || type === 'unknown') return 'down'
  // A verdict on a challenge comes without a status of its own: the CA saw another TXT record than ours.
  if (type === 'unauthorized' && status === undefined) return 'shared'
  return byType[type] ?? (status !== undefined && status >= 500 ? 'down' : 'shared')
}
