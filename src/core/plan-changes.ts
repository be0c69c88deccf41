import { sayCount } from './count.ts'
import { sayInstant } from './duration.ts'
import { CertsError } from './errors.ts'
import type { ChallengeObservation } from './observed.ts'
import { parkingOf } from './plan.ts'
import type { CertificatePlan, Issuance, NodePlan, Plan } from './plan.ts'
import { printableLine } from './printable.ts'
import type { Planned, SavedPlan } from './saved-plan.ts'
import type { Facts } from './sight.ts'

/** Throws CertsError that says thing by thing what is not any more as it was when the plan was made. */
export function refuseChanged(saved: SavedPlan, now: Planned, file: string): void {
  const { configuration, seen } = saved.sight
  const found = [
    ...compare(configuration, now.sight.configuration).map((line) => `in the configuration, ${line}`),
    ...compare(seen, now.sight.seen),
  ]
  // What else makes another plan of the same sight is the hour.
  const changes = found.length > 0 ? found : compare(saved.steps, describeSteps(now.plan))
  if (changes.length === 0) return
  const left = changes.length - mostLines
  const lines = left > 0 ? [...changes.slice(0, mostLines), `and ${left} more`] : changes
  // Of the names in the file only those that are configured: a person pastes this.
  const names = now.request.certificates.map((name) => ` ${name}`).join('')
  const what = sayCount(changes.length, 'thing')
  throw new CertsError(
    `the plan in ${file} is not carried out: ${what} changed since it was made at ${sayInstant(saved.at)}`,
    {
      detail: lines.join('\n'),
      hint: `nothing was changed; look at what would be done now, and save it again: certs plan${names} --out ${file}`,
    },
  )
}

const mostLines = 40

function compare(then: Facts, now: Facts): string[] {
  const [before, after] = [new Map(Object.entries(then)), new Map(Object.entries(now))]
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((thing) => {
    const [was, is] = [before.get(thing), after.get(thing)]
    if (was === is) return []
    const words =
      was === undefined
        ? `is new: ${is}`
        : is === undefined
          ? `is gone; it was ${was}`
          : `was ${was}; it is ${is}`
    return printableLine(`${thing} ${words}`, { max: 400 })
  })
}

/** What would be done, in words that a later hour does not change. */
export function describeSteps({ certificates }: Plan): Facts {
  return Object.fromEntries(
    certificates.flatMap(({ certificate, issuance, nodes, waves }: CertificatePlan) => [
      [certificate, sayIssuance(issuance)],
      ...sayChallenges(certificate, issuance),
      ...nodes.map((step) => [`${certificate} on ${step.node}`, sayStep(step)]),
      [`${certificate}: the order of nodes`, waves.map((wave) => wave.join(', ')).join('; then ') || 'none'],
    ]),
  ) as Facts
}

function sayIssuance(issuance: Issuance): string {
  const parked = parkingOf(issuance) ? ', a new one is due and parked' : ''
  switch (issuance.kind) {
    case 'keep':
      return `keep version ${issuance.from} as ${issuance.number}${parked}`
    case 'issue':
      return `${issuance.resumes ? 'finish the order of' : 'issue'} version ${issuance.number} for ${issuance.names.join(', ')}, ${issuance.key}, by ${issuance.ca.name}`
    case 'roll-back':
      return 'roll back'
    case 'refuse':
      return `issue nothing${parked}`
  }
}

function sayChallenges(certificate: string, issuance: Issuance): [string, string][] {
  if (issuance.kind !== 'issue') return []
  return issuance.challenges.map((one) => {
    return [`${certificate}: the TXT record for ${one.identifier}`, sayPlace(one)]
  })
}

function sayPlace(one: ChallengeObservation): string {
  if ('error' in one) return 'nowhere'
  const place = `${one.name} in zone ${one.zone}`
  return 'provider' in one
    ? `${place}, by ${one.provider}`
    : `${place}, which says ${one.stands ?? 'nobody knows what'}`
}

function sayStep({ action, from, to, adoption }: NodePlan): string {
  const adopting = adoption ? `, adopting ${JSON.stringify(adoption)}` : ''
  return `${action}, version ${from ?? 'none'} → ${to ?? 'none'}${adopting}`
}
