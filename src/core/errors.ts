/**
 * The errors a person can act on. Message: `<what failed> <on which thing>: <cause>`, lower case, no full
 * stop; hints say the next action. Anything thrown that is not a CertsError is a bug of ours.
 */

export interface ErrorOptions {
  /** What to do next, one action a line; pasteable commands where there are any. */
  readonly hint?: string | readonly string[] | undefined
  readonly cause?: unknown
  /** What a tool said in its own words (nginx, sshd, a CA), already free of control characters. */
  readonly detail?: string | undefined
}

export class CertsError extends Error {
  override readonly name: string = 'CertsError'
  readonly hints: readonly string[]
  readonly detail: string | undefined

  constructor(message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.hints = typeof options.hint === 'string' ? [options.hint] : (options.hint ?? [])
    this.detail = options.detail || undefined
  }
}

/** The configuration, an argument or a secret it names is wrong: a person edits something. Exit code 2. */
export class ConfigError extends CertsError {
  override readonly name = 'ConfigError'
}

/** A DNS provider or the public DNS refused, or answered something we can't work with. */
export class ProviderError extends CertsError {
  override readonly name = 'ProviderError'
}

/** The controller's own state: unreadable, changed under us, disk full. */
export class StateError extends CertsError {
  override readonly name = 'StateError'
}

/** Another run holds the lock. Exit code 75 (EX_TEMPFAIL). */
export class LockedError extends CertsError {
  override readonly name = 'LockedError'
}

/** RFC 8555 section 6.7.1. */
export interface Subproblem {
  readonly type: string
  readonly detail: string
  readonly identifier?: string | undefined
}

export interface AcmeProblem extends ErrorOptions {
  /** HTTP status; absent when the CA was not reached. */
  readonly status?: number | undefined
  /** Problem type with its prefix cut: `rateLimited`, `badNonce`, … (RFC 8555 section 6.7); `unsupportedChallenge` is ours. */
  readonly type?: string | undefined
  readonly subproblems?: readonly Subproblem[] | undefined
  /** Milliseconds to wait, from Retry-After, relative to the moment of the answer. */
  readonly retryAfterMs?: number | undefined
}

/** The CA refused, failed or could not be reached. */
export class AcmeError extends CertsError {
  override readonly name = 'AcmeError'
  readonly status: number | undefined
  readonly type: string | undefined
  readonly subproblems: readonly Subproblem[]
  readonly retryAfterMs: number | undefined

  constructor(message: string, problem: AcmeProblem = {}) {
    super(message, problem)
    this.status = problem.status
    this.type = problem.type
    this.subproblems = problem.subproblems ?? []
    this.retryAfterMs = problem.retryAfterMs
  }
}

/** How far a node had come when it failed, as far as is known. */
export type NodeStep =
  | 'connect'
  | 'authenticate'
  | 'sudo'
  | 'inspect'
  | 'lock'
  | 'baseline'
  | 'stage'
  | 'switch'
  | 'test'
  | 'reload'
  | 'verify'
  | 'probe'
  | 'rollback'
  | 'setup'
  | 'adopt'
  | 'prune'

export interface NodeProblem extends ErrorOptions {
  readonly node: string
  readonly step: NodeStep
  readonly exitCode?: number | undefined
  /**
   * What the node is left with. `unchanged`: nothing was touched; `restored`: it was touched and is back;
   * `changed`: the new version is in place; `unknown`: the connection died, look again; `degraded`: a
   * person is needed.
   */
  readonly left?: 'unchanged' | 'restored' | 'changed' | 'unknown' | 'degraded' | undefined
}

/** One node failed. The message starts with the node's name. */
export class NodeError extends CertsError {
  override readonly name = 'NodeError'
  readonly node: string
  readonly step: NodeStep
  readonly exitCode: number | undefined
  readonly left: NonNullable<NodeProblem['left']>

  constructor(message: string, problem: NodeProblem) {
    super(`${problem.node}: ${message}`, problem)
    this.node = problem.node
    this.step = problem.step
    this.exitCode = problem.exitCode
    this.left = problem.left ?? 'unchanged'
  }
}

/** The plan would do what only a person may decide. */
export class UnsafePlanError extends CertsError {
  override readonly name = 'UnsafePlanError'
}

/** An error as plain data, for plans and reports. */
export interface ErrorFacts {
  readonly message: string
  readonly hints: readonly string[]
  readonly detail?: string
}

export function errorFacts(error: unknown): ErrorFacts {
  if (!(error instanceof CertsError))
    return { message: error instanceof Error ? error.message : String(error), hints: [] }
  return { message: error.message, hints: error.hints, ...(error.detail ? { detail: error.detail } : {}) }
}
