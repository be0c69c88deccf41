import type { ChallengeMethod } from '../core/certificate.ts'
import { isObject, type Problem, readProblem } from './problem.ts'
import { type Origin, reader, readIssuers } from './wire.ts'

export interface Authorization {
  readonly url: string
  /** Without the `*.` of a wildcard, which `wildcard` says. */
  readonly identifier: string
  readonly wildcard: boolean
  /** `pending`, `valid`, or one that ends the order: invalid, deactivated, expired, revoked. */
  readonly status: string
  /** The challenge of the method that was asked for, when it is offered. */
  readonly challenge?: Challenge | undefined
  readonly offered: readonly string[]
}

export type Challenge = Dns01Challenge | PersistChallenge

interface AnyChallenge {
  readonly url: string
  readonly status: string
  readonly error?: Problem | undefined
}

export interface Dns01Challenge extends AnyChallenge {
  readonly method: 'dns-01'
  readonly token: string
}

export interface PersistChallenge extends AnyChallenge {
  readonly method: 'dns-persist-01'
  /** The domains of which the record names one. */
  readonly issuers: readonly string[]
  /** The account URI that the record names, where the CA says it. */
  readonly accountUri?: string | undefined
}

/** Challenges of other methods are of no concern, whatever is in them. */
export function parseAuthorization(
  value: unknown,
  { url, method }: { readonly url: string; readonly method: ChallengeMethod },
  origin: Origin,
): Authorization {
  const read = reader(value, origin)
  const identifier = isObject(read.value['identifier']) ? read.value['identifier']['value'] : undefined
  if (typeof identifier !== 'string' || identifier.length > 255) return read.fail('identifier')
  const challenges = read.list('challenges').filter(isObject)
  const wanted = challenges.find(({ type }) => type === method)
  return {
    url,
    identifier: identifier.toLowerCase().replace(/^\*\./, ''),
    wildcard: read.value['wildcard'] === true || identifier.startsWith('*.'),
    status: read.text('status'),
    challenge: wanted && parseChallenge(wanted, method, origin),
    offered: challenges.map(({ type }) => (typeof type === 'string' ? type.slice(0, 50) : '?')),
  }
}

function parseChallenge(value: unknown, method: ChallengeMethod, origin: Origin): Challenge {
  const read = reader(value, origin)
  const common = {
    url: read.url('url'),
    status: read.text('status'),
    error: read.value['error'] === undefined ? undefined : readProblem(read.value['error']),
  }
  if (method === 'dns-persist-01') {
    // Revision 02 of draft-ietf-acme-dns-persist spells it as RFC 8555 spells its fields.
    const field = read.value['issuerDomainNames'] === undefined ? 'issuer-domain-names' : 'issuerDomainNames'
    const issuers = readIssuers(read.value[field]) ?? read.fail(field)
    const uri = read.value['accounturi']
    const usable = typeof uri === 'string' && /^[!-:<-~]{1,2000}$/.test(uri) && URL.canParse(uri)
    return { method, ...common, issuers, accountUri: usable ? uri : undefined }
  }
  const token = read.text('token')
  // RFC 8555 section 8.3: base64url without padding, at least 128 bits.
  if (!/^[A-Za-z0-9_-]{20,512}$/.test(token)) return read.fail('token')
  return { method, ...common, token }
}
