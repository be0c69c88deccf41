import { sayUsage } from './budget.ts'
import type { Usage } from './budget.ts'
import { sayValidity } from './duration.ts'
import type { ErrorFacts } from './errors.ts'
import type { ChallengeObservation } from './observed.ts'
import type { Paint } from './paint.ts'
import type { CertificatePlan, Issuing } from './plan.ts'
import { sayParking } from './say-parking.ts'
import { sayPassedOver } from './say-passed-over.ts'

/** The first lines of a certificate's block: what becomes of its version, and why. */
export function renderIssuance(
  { certificate, issuance }: CertificatePlan,
  now: Date,
  paint: Paint,
): string[] {
  switch (issuance.kind) {
    case 'keep':
      return [
        `  ${paint('dim', '=')} keep version ${issuance.from}, ${sayValidity(issuance.notAfter, now)}${sayCopy(issuance)}`,
        ...(issuance.parked ? renderParking(sayParking(certificate, issuance.parked), paint) : []),
      ]
    case 'roll-back':
      return [`  ${paint('yellow', '~')} roll back, because ${issuance.because}`]
    case 'refuse':
      return [
        `  ${paint('red', '!')} no version can be issued: ${issuance.because}`,
        ...issuance.errors.flatMap(({ message, hints }) => [
          `      ${message}`,
          ...hints.map((hint) => `      hint: ${hint}`),
        ]),
      ]
    case 'issue':
      return [
        `  ${paint('green', '+')} ${issuance.resumes ? 'finish the order of' : 'issue'} version ${issuance.number}${sayCa(issuance)}, because ${issuance.because}`,
        ...issuance.passedOver.map((one) => `      ${sayPassedOver(one)}`),
        ...(issuance.usages ?? []).filter(isTelling).map((usage) => paint('dim', `      ${sayUsage(usage)}`)),
        ...issuance.challenges.map((challenge) => paint('dim', `      ${sayChallenge(challenge)}`)),
        ...[...issuance.warnings, ...issuance.challenges.flatMap(notesOf)].flatMap(({ message, hints }) => [
          `      ${paint('yellow', 'note')}: ${message}`,
          ...hints.map((hint) => `      hint: ${hint}`),
        ]),
      ]
  }
}

/** Where only one is configured, there is nothing to say. */
function sayCa({ ca, alone }: Issuing): string {
  return alone ? '' : ` by ${ca.name}`
}

function sayCopy({ from, number, because }: { from: number; number: number; because: string }): string {
  return from === number ? '' : `, rolled out as version ${number}: ${because}`
}

function sayChallenge(challenge: ChallengeObservation): string {
  if ('error' in challenge) return challenge.error.message
  const { identifier, name, zone } = challenge
  if ('provider' in challenge) return `${identifier}: TXT ${name} in zone ${zone}, by ${challenge.provider}`
  const stands = challenge.stands === undefined ? 'was not looked at' : 'stands'
  return `${identifier}: TXT ${name} in zone ${zone} ${stands}; nothing is written to DNS`
}

function notesOf(challenge: ChallengeObservation): ErrorFacts[] {
  return 'note' in challenge && challenge.note ? [challenge.note] : []
}

function renderParking({ message, hints }: ErrorFacts, paint: Paint): string[] {
  return [`  ${paint('red', '!')} ${message}`, ...hints.map((hint) => `      hint: ${hint}`)]
}

/** The first limit that is met by renewing again and again; of the others, what is half used. */
function isTelling({ of, used, most }: Usage): boolean {
  return of === 'set' || used * 2 >= most
}
