import { AcmeError } from '../core/errors.ts'
import { problemError, readProblem } from './problem.ts'
import { retryAfterMs } from './retry-after.ts'
import type { Answer } from './transport.ts'
import type { Origin } from './wire.ts'

/** The answer, when it is a success. Throws AcmeError with the CA's problem document otherwise. */
export function accepted(answer: Answer, { step }: Origin, now: Date): Answer {
  const { status, headers, body } = answer
  if (status < 400) return answer
  const problem = readProblem(parseJson(body))
  throw problemError(problem, { step, status, retryAfterMs: retryAfterMs(headers, now), now })
}

/** The body as JSON. Throws AcmeError when it is none. */
export function jsonOf({ body, status }: Answer, { step }: Origin): unknown {
  const value = parseJson(body)
  if (value === undefined) throw new AcmeError(`${step} failed: the CA answered no JSON (HTTP ${status})`)
  return value
}

/** Undefined when it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
