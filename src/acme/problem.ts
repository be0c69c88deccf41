import { AcmeError, type Subproblem } from '../core/errors.ts'
import { printableLine } from '../core/printable.ts'

/** A problem document (RFC 7807, RFC 8555 section 6.7), made safe to print. */
export interface Problem {
  readonly type: string
  readonly detail: string
  readonly subproblems: readonly Subproblem[]
  /** Where a person reads more: `userActionRequired` points to the terms with it (RFC 8555 section 7.3.3). */
  readonly instance?: string | undefined
}

const prefix = 'urn:ietf:params:acme:error:'

/** Reads whatever a CA sent as its problem; what is missing is said so. */
export function readProblem(value: unknown): Problem {
  if (!isObject(value)) return { type: 'unknown', detail: 'the CA gave no reason', subproblems: [] }
  const { type, detail, instance, subproblems } = value
  return {
    type: typeof type === 'string' ? printableLine(type.replace(prefix, ''), { max: 100 }) : 'unknown',
    detail:
      typeof detail === 'string' && detail !== ''
        ? printableLine(detail, { max: 600 })
        : 'the CA gave no reason',
    instance: typeof instance === 'string' ? printableLine(instance, { max: 600 }) : undefined,
    subproblems: Array.isArray(subproblems) ? subproblems.slice(0, 100).map(readSubproblem) : [],
  }
}

function readSubproblem(value: unknown): Subproblem {
  const { type, detail } = readProblem(value)
  const identifier =
    isObject(value) && isObject(value['identifier']) ? value['identifier']['value'] : undefined
  return {
    type,
    detail,
    identifier: typeof identifier === 'string' ? printableLine(identifier, { max: 260 }) : undefined,
  }
}

export interface Refusal {
  /** What was being done and to what: `creating the order at ca.example`. */
  readonly step: string
  /** Absent when the CA was not even asked. */
  readonly status?: number | undefined
  readonly retryAfterMs?: number | undefined
  readonly now: Date
}

/** The error for an answer with a problem document, the CA's own words first, then what a person can do. */
export function problemError(problem: Problem, { step, status, retryAfterMs, now }: Refusal): AcmeError {
  const wake = retryAfterMs === undefined ? undefined : new Date(now.getTime() + retryAfterMs)
  const until = problem.type === 'rateLimited' && wake !== undefined ? `, until ${utc(wake)}` : ''
  const http = status === undefined ? '' : `, HTTP ${status}`
  const lines = problem.subproblems.map(({ identifier = 'order', type, detail }) => {
    return `${identifier}: ${detail} (${type})`
  })
  return new AcmeError(`${step} failed: ${problem.detail} (${problem.type}${http}${until})`, {
    status,
    type: problem.type,
    subproblems: problem.subproblems,
    retryAfterMs,
    detail: lines.join('\n'),
    hint: hintsFor([problem, ...problem.subproblems], { status, wake }),
  })
}

interface Circumstances {
  readonly status: number | undefined
  readonly wake: Date | undefined
}

/** A gateway that fails speaks no ACME, and means the same as a CA that says `serverInternal`. */
function hintsFor(
  problems: readonly Pick<Problem, 'type' | 'instance'>[],
  { status, wake }: Circumstances,
): string[] {
  const hints = [...new Set(problems.flatMap((each) => hintFor(each, wake)))]
  return hints.length === 0 && (status ?? 0) >= 500 ? hintFor({ type: 'serverInternal' }) : hints
}

/** The next action by problem type (RFC 8555 section 6.7). */
export function hintFor(
  { type, instance }: { type: string; instance?: string | undefined },
  wake?: Date,
): string[] {
  switch (type) {
    case 'rateLimited':
      return [
        `run it again ${wake === undefined ? 'later' : `after ${utc(wake)}`}: the CA refuses until then`,
      ]
    case 'userActionRequired':
      return [
        `read and agree to the CA's terms${instance === undefined ? '' : `: ${instance}`}, then run it again`,
      ]
    case 'externalAccountRequired':
      return [
        'this CA wants an external account binding: set eab beside its directory to the kid and hmac it gave you',
      ]
    case 'caa':
      return [
        'a CAA record of the name or of a parent forbids this CA: dig CAA NAME, and add an issue record for it',
      ]
    case 'dns':
      return [
        'the CA could not see the TXT record: dig +trace TXT _acme-challenge.NAME, and look at DNSSEC, too',
      ]
    case 'unauthorized':
      return ['if the CA saw another TXT value: a second DNS view or provider answers for this name']
    case 'accountDoesNotExist':
      return [
        'the CA does not know our account any more: take its document accounts/… out of the state to register anew',
      ]
    case 'invalidContact':
    case 'unsupportedContact':
      return ['correct the contact of this CA in the configuration']
    case 'rejectedIdentifier':
    case 'unsupportedIdentifier':
      return ['this CA does not issue for one of the names: take it out, or choose another CA']
    case 'serverInternal':
      return ['the fault is at the CA; run it again later, an order under way is taken up again']
    default:
      return []
  }
}

function utc(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
