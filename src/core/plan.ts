import type { LayoutAdoption, Placed } from './layout-adoption.ts'
import type { Parking } from './backoff.ts'
import type { Usage } from './budget.ts'
import type { KeyType, Leaf } from './certificate.ts'
import type { Drift } from './drift.ts'
import type { ErrorFacts } from './errors.ts'
import type { Held } from './hold.ts'
import type { ChallengeObservation } from './observed.ts'

export interface CaName {
  /** `Let's Encrypt`. */
  readonly name: string
  /** URL of its directory. */
  readonly directory: string
}

/** A CA that was not used, and why. */
export interface PassedOver {
  readonly name: string
  readonly because: string
}

export type Issuance =
  /** The stored version `from` is good; it is rolled out under `number`, which differs when nodes use `from` for other bytes. */
  | {
      readonly kind: 'keep'
      readonly from: number
      readonly number: number
      readonly notAfter: string
      readonly because: string
      /** A new version is due, and why it is not issued now. */
      readonly parked?: Parking
    }
  | {
      readonly kind: 'issue'
      readonly number: number
      readonly because: string
      readonly names: readonly string[]
      readonly key: KeyType
      /** An order that an earlier run began is taken up again. */
      readonly resumes: boolean
      readonly challenges: readonly ChallengeObservation[]
      readonly ca: CaName
      /** Why not one that comes before it. */
      readonly passedOver: readonly PassedOver[]
      /** Tried one after the other when this one fails for a reason that they may not share. */
      readonly next: readonly CaName[]
      /** No other CA is configured. */
      readonly alone: boolean
      /** There is no time left to wait for a CA that does not finish its order. */
      readonly late: boolean
      /** What of the CA's limits is used before this order, where they are known. */
      readonly usages?: readonly Usage[]
      /** What may disturb the issuance. */
      readonly warnings: readonly ErrorFacts[]
    }
  /** Each node goes back to a version it holds. */
  | { readonly kind: 'roll-back'; readonly because: string }
  /** A new version is due and can't be had; nothing is done. */
  | {
      readonly kind: 'refuse'
      readonly because: string
      readonly errors: readonly ErrorFacts[]
      readonly parked?: Parking
    }

export type Issuing = Extract<Issuance, { kind: 'issue' }>

/** `waiting`: it needs a version, and none can be had. */
export type NodeAction = 'none' | 'install' | 'reload' | 'roll-back' | 'waiting' | 'unreachable' | 'blocked'

export interface NodePlan {
  readonly node: string
  readonly action: NodeAction
  /** The version that live points to now. */
  readonly from?: number
  /** The version that is in place afterwards. */
  readonly to?: number
  readonly because: string
  /** What is done to its layout before. */
  readonly adoption?: LayoutAdoption
  /** What nginx read elsewhere and reads again: of a way back. */
  readonly back?: readonly Placed[]
  readonly drift: readonly Drift[]
  /** The leaves that it serves now. */
  readonly served: readonly Leaf[]
  /** It is left at an older version, since a person rolled the newer one back. */
  readonly held?: Held
  readonly error?: ErrorFacts
}

export interface CertificatePlan {
  readonly certificate: string
  readonly issuance: Issuance
  /** In the order of the rollout: nodes that can be changed first. */
  readonly nodes: readonly NodePlan[]
  /** Names of the nodes to change, cut into canary and waves. */
  readonly waves: readonly (readonly string[])[]
}

/** What a run would do, as plain data: printed, saved, compared, executed. */
export interface Plan {
  readonly format: 1
  readonly at: string
  readonly certificates: readonly CertificatePlan[]
}

/** The node when no version can be had for it after all. */
export function keepWaiting(plan: NodePlan): NodePlan {
  if (!isChange(plan)) return plan
  const { to: _, ...left } = plan
  return { ...left, action: 'waiting' }
}

/** What is worth knowing of a node, and no reason to change it or to leave it out. */
export function notesOf({ drift }: NodePlan): string[] {
  return drift.flatMap((one) => (one.kind === 'notice' ? one.because : []))
}

export function isChange({ action }: NodePlan): boolean {
  return action === 'install' || action === 'reload' || action === 'roll-back'
}

/** Whether applying the plan would change anything anywhere. */
export function hasChanges(plan: Plan): boolean {
  return plan.certificates.some(({ issuance, nodes }) => issuance.kind === 'issue' || nodes.some(isChange))
}

/** Why a version that is due is not issued now. */
export function parkingOf(issuance: Issuance): Parking | undefined {
  return issuance.kind === 'keep' || issuance.kind === 'refuse' ? issuance.parked : undefined
}

/** Whether something is not right that applying the plan can't mend. */
export function hasProblems(plan: Plan): boolean {
  return plan.certificates.some(
    ({ issuance, nodes }) =>
      issuance.kind === 'refuse' ||
      parkingOf(issuance) !== undefined ||
      nodes.some(({ action }) => action === 'unreachable' || action === 'blocked'),
  )
}
