import { judgeRefusal, type Parking } from './backoff.ts'
import { judgeBudget, judgeUsage, type Usage } from './budget.ts'
import type { Certificate } from './certificate.ts'
import { sayInstant } from './duration.ts'
import type { ErrorFacts } from './errors.ts'
import type { CaLook, CaState, CertificateObservation } from './observed.ts'
import type { CaName, PassedOver } from './plan.ts'
import { isLate } from './renewal.ts'

export interface ChoiceInput {
  readonly facts: Omit<CertificateObservation, 'challenges'>
  /** In the order of their use; with what the plan's other certificates are going to order. */
  readonly cas: readonly CaState[]
  readonly now: Date
}

export type Choice =
  | {
      readonly kind: 'use'
      readonly ca: CaName
      readonly passedOver: readonly PassedOver[]
      /** Those to try when this one fails. */
      readonly next: readonly CaName[]
      /** No other CA is configured. */
      readonly alone: boolean
      readonly resumes: boolean
      /** An order that may have led to a certificate is given up, since there is no time to wait for its CA. */
      readonly givesUp: boolean
      readonly usages: readonly Usage[]
      readonly warnings: readonly ErrorFacts[]
    }
  | { readonly kind: 'wait'; readonly parked: Parking }
  | { readonly kind: 'refuse'; readonly errors: readonly ErrorFacts[] }

/**
 * The CA that a version is to be ordered from: the first without an obstacle that is known. An order under way is
 * finished where it was made; once its certificate may be there, no other CA is asked as long as there is time.
 */
export function chooseCa(certificate: Certificate, input: ChoiceInput): Choice {
  const { facts, cas, now } = input
  const { underway } = facts
  const order = orderOf(cas, underway)
  const met: Met[] = []
  for (const ca of order) {
    const one = meet(certificate, ca, input)
    if (!one.obstacle) return use(one, { met, order, input })
    met.push(one)
    // Of one that is only to step in, it keeps nobody else from issuing.
    if (one.obstacle.kind === 'fault' && met.length === 1) return refuse(met)
    if (isHeld(ca, underway) && !isLate(facts.versions.at(-1)?.leaf, now)) break
  }
  const down = met.find(({ obstacle }) => obstacle?.kind === 'down')
  if (down) return use(down, { met, order, input })
  return wait(met, cas.length) ?? refuse(met)
}

type UnderWay = CertificateObservation['underway']

/** An order that is there comes first: what was begun is finished. */
function orderOf(cas: readonly CaState[], underway: UnderWay): readonly CaState[] {
  const begun = cas.filter((ca) => underway?.ordered && ca.directory === underway.directory)
  return [...begun, ...cas.filter((ca) => !begun.includes(ca))]
}

function isHeld({ directory }: CaState, underway: UnderWay): boolean {
  return underway?.finalizing === true && underway.directory === directory
}

type Obstacle =
  | { readonly kind: 'wait'; readonly parked: Parking }
  | { readonly kind: 'down'; readonly errors: readonly ErrorFacts[] }
  | { readonly kind: 'refusal' | 'fault'; readonly errors: readonly ErrorFacts[] }

interface Met {
  readonly ca: CaState
  readonly look: CaLook | undefined
  readonly usages: readonly Usage[]
  readonly obstacle: Obstacle | undefined
}

function meet(certificate: Certificate, ca: CaState, { facts, now, cas }: ChoiceInput): Met {
  const look = facts.looks?.find(({ directory }) => directory === ca.directory)
  const { limits } = ca.budget ?? {}
  const issuedBy = facts.issuedBy ?? cas[0]?.directory
  // The order will name the version that it replaces, and some CAs count no such order.
  const isFree = limits?.replacingIsFree && facts.suggestion && issuedBy === ca.directory
  const wish = { names: certificate.names, domains: facts.domains ?? [] }
  const usages = ca.budget && !isFree ? judgeBudget(wish, { ...ca.budget, now }) : []
  const resumes = facts.underway?.directory === ca.directory
  const parked =
    judgeRefusal(facts.attempts, { directory: ca.directory, now }) ?? judgeUsage(resumes ? [] : usages)
  return { ca, look, usages, obstacle: parked ? { kind: 'wait', parked } : obstacleIn(look) }
}

function obstacleIn(look: CaLook | undefined): Obstacle | undefined {
  if (!look) return undefined
  const { faults, refusals, down } = look
  if (faults.length > 0) return { kind: 'fault', errors: [...refusals, ...faults] }
  if (refusals.length > 0) return { kind: 'refusal', errors: refusals }
  return down ? { kind: 'down', errors: [down] } : undefined
}

interface Found {
  /** Those with an obstacle. */
  readonly met: readonly Met[]
  readonly order: readonly CaState[]
  readonly input: ChoiceInput
}

/** Those that are down are tried again when nothing better is left. */
function use({ ca, look, usages }: Met, { met, order, input }: Found): Choice {
  const { underway } = input.facts
  const at = order.indexOf(ca)
  const before = met.filter((one) => order.indexOf(one.ca) < at)
  const later = order.slice(at + 1).filter((other) => {
    const obstacle = met.find((one) => one.ca === other)?.obstacle
    return !obstacle || obstacle.kind === 'down'
  })
  const useless = met.filter((one) => !before.includes(one) && one.ca !== ca)
  const resumes = underway?.directory === ca.directory
  return {
    kind: 'use',
    ca: nameOf(ca),
    passedOver: before.map((one) => ({ name: one.ca.name, because: sayObstacle(one) })),
    next: later.map(nameOf),
    resumes,
    givesUp: !resumes && underway?.finalizing === true,
    usages,
    alone: order.length === 1,
    warnings: [
      ...(look?.warnings ?? []),
      ...(look?.down ? [look.down] : []),
      ...useless.map((one) => ({
        message: `nor can ${one.ca.name} be used: ${sayObstacle(one)}`,
        hints:
          one.obstacle?.kind === 'wait' ? [] : (one.obstacle?.errors ?? []).flatMap(({ hints }) => hints),
      })),
    ],
  }
}

function nameOf({ name, directory }: CaState): CaName {
  return { name, directory }
}

/** Until the first of them takes an order again. */
function wait(met: readonly Met[], configured: number): Choice | undefined {
  const [first] = met
    .flatMap(({ obstacle }) => (obstacle?.kind === 'wait' ? obstacle.parked : []))
    .toSorted((a, b) => Date.parse(a.until) - Date.parse(b.until))
  if (!first || configured === 1) return first && { kind: 'wait', parked: first }
  const because = met.map((one) => `${one.ca.name}: ${sayObstacle(one)}`).join('; ')
  return { kind: 'wait', parked: { ...first, because } }
}

function sayObstacle({ obstacle }: Met): string {
  if (obstacle?.kind !== 'wait') return (obstacle?.errors ?? []).map(({ message }) => message).join('; ')
  const { until, because, by } = obstacle.parked
  return by === 'CA'
    ? because.replace('the CA refuses until then', `it refuses until ${sayInstant(until)}`)
    : because
}

function refuse(met: readonly Met[]): Choice {
  const errors = met.flatMap(({ obstacle }) => {
    if (obstacle?.kind !== 'wait') return obstacle?.errors ?? []
    return { message: obstacle.parked.because, hints: [] }
  })
  return { kind: 'refuse', errors }
}
