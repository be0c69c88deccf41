import type { ErrorFacts } from './errors.ts'
import type { Placed } from './layout-adoption.ts'
import type { PassedOver } from './plan.ts'

/**
 * What became of one step. `not-run`: the rollout halted, or what it needed failed. `rolled-back`: it was done, and taken
 * back since others failed.
 */
export type StepStatus = 'done' | 'failed' | 'not-run' | 'unchanged' | 'rolled-back'

export interface NodeResult {
  readonly node: string
  readonly status: StepStatus
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** What was seen, or why it was not run: one line. */
  readonly because: string
  readonly error?: ErrorFacts | undefined
  /** What nginx read elsewhere, which are links to live now; what was there is beside each. */
  readonly placed?: readonly Placed[] | undefined
  /** What is worth knowing of the node beside: a certbot that is at work there. */
  readonly notes?: readonly string[] | undefined
}

export interface CertificateResult {
  readonly certificate: string
  readonly issuance: {
    readonly status: StepStatus
    readonly number?: number | undefined
    readonly notAfter?: string | undefined
    /** Who issued it, in this run. */
    readonly ca?: string | undefined
    /** CAs that were to be used before. */
    readonly passedOver?: readonly PassedOver[] | undefined
    readonly error?: ErrorFacts | undefined
  }
  readonly nodes: readonly NodeResult[]
  /** Why the rollout stopped before its last node. */
  readonly halted?: string | undefined
}

export interface RunResult {
  readonly run: string
  readonly certificates: readonly CertificateResult[]
}

/** Anything that is not right is a failure: a run is good only when every node of every certificate is. */
export function isSuccess(result: RunResult): boolean {
  return result.certificates.every(
    ({ issuance, nodes }) => isGood(issuance.status) && nodes.every(({ status }) => isGood(status)),
  )
}

function isGood(status: StepStatus): boolean {
  return status === 'done' || status === 'unchanged'
}
