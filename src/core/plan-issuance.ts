import { reservedNumber } from './layout-adoption.ts'
import { judgeAttempts } from './backoff.ts'
import type { Parking } from './backoff.ts'
import type { Certificate } from './certificate.ts'
import { chooseCa } from './choose-ca.ts'
import type { Lineage } from './node.ts'
import type { CertificateObservation, Observed } from './observed.ts'
import { sayParking } from './say-parking.ts'
import type { Issuance } from './plan.ts'
import { isLate, judgeRenewal } from './renewal.ts'
import type { VersionFacts } from './version.ts'
import { judgeWithdrawal, refuseBlocked } from './withdrawal.ts'

export interface IssuanceInput {
  readonly facts: CertificateObservation
  /** What the nodes hold of this certificate. */
  readonly lineages: readonly Lineage[]
  readonly now: Date
  readonly forceRenew: boolean
  readonly toVersion?: number | undefined
  /** A person asked for this certificate: our own pauses are skipped. */
  readonly insistent?: boolean | undefined
  /** What lies in live gets a number of its own where it has none. */
  readonly adopt?: boolean | undefined
  /** With what the plan's other certificates are going to order. */
  readonly cas: Observed['cas']
}

/** Whether the stored version is kept or a new one is issued, and under which number. */
export function planIssuance(certificate: Certificate, input: IssuanceInput): Issuance {
  const { facts, now, forceRenew, toVersion } = input
  if (facts.fault) return { kind: 'refuse', because: 'its versions can not be read', errors: [facts.fault] }
  if (toVersion !== undefined) return keepVersion(toVersion, 'this version was asked for', input)

  const newest = facts.versions.at(-1)
  const renewal = judgeRenewal({
    certificate,
    stored: newest?.leaf,
    now,
    suggestion: facts.suggestion,
    withdrawn: judgeWithdrawal(newest, facts.withdrawal),
    forced: forceRenew,
    underway: facts.underway !== undefined,
  })
  if (!renewal.due && newest) return keepVersion(newest.number, renewal.because, input)

  const paused = judgeAttempts(facts.attempts, {
    now,
    insistent: forceRenew || input.insistent === true,
    notAfter: newest?.leaf.notAfter,
  })
  const choice = chooseCa(certificate, input)
  const parked = longer(paused, choice.kind === 'wait' ? choice.parked : undefined)
  if (parked) return park(certificate, { parked, because: renewal.because, input })

  const { challenges, preflight } = facts
  const errors = [
    ...(choice.kind === 'refuse' ? choice.errors : []),
    ...(preflight?.refusals ?? []),
    ...challenges.flatMap((challenge) => ('error' in challenge ? challenge.error : [])),
  ]
  if (choice.kind !== 'use' || errors.length > 0) return { kind: 'refuse', because: renewal.because, errors }
  const { ca, passedOver, next, alone, resumes, usages, warnings } = choice
  return {
    kind: 'issue',
    number: nextNumber(input) + (choice.givesUp ? 1 : 0),
    because: renewal.because,
    names: certificate.names,
    key: certificate.key,
    resumes,
    ca,
    passedOver,
    next,
    alone,
    late: isLate(newest?.leaf, now),
    challenges,
    warnings: [...warnings, ...(preflight?.warnings ?? [])],
    ...(usages.length === 0 ? {} : { usages }),
  }
}

function longer(a: Parking | undefined, b: Parking | undefined): Parking | undefined {
  return a && b ? (Date.parse(a.until) > Date.parse(b.until) ? a : b) : (a ?? b)
}

interface Parked {
  readonly parked: Parking
  readonly because: string
  readonly input: IssuanceInput
}

/** Meanwhile the stored version goes where it is not yet, as long as it is valid. */
function park(certificate: Certificate, { parked, because, input }: Parked): Issuance {
  const newest = input.facts.versions.at(-1)
  if (newest && Date.parse(newest.leaf.notAfter) > input.now.getTime()) {
    return { ...keepVersion(newest.number, because, input), parked }
  }
  return { kind: 'refuse', because, errors: [sayParking(certificate.name, parked)], parked }
}

/** One above everything in use; a half-written version of an order under way keeps the number it was begun with. */
function nextNumber({ facts, lineages, adopt }: IssuanceInput): number {
  const onNodes = Math.max(0, ...lineages.map(highestNumber), ...reserved(lineages, adopt))
  const begun = facts.underway?.number ?? 0
  return begun > onNodes && begun >= facts.highest ? begun : Math.max(onNodes, facts.highest) + 1
}

type Kept = Extract<Issuance, { kind: 'keep' | 'refuse' }>

/**
 * Keeps the stored version, under a number above everything on the nodes when they use it for other bytes
 * or hold higher ones: certbot moves links to the highest complete number (certbot #10655).
 */
function keepVersion(from: number, because: string, { facts, lineages, adopt }: IssuanceInput): Kept {
  const version = facts.versions.find(({ number }) => number === from)
  if (!version) {
    const known = facts.versions.map(({ number }) => number).join(', ') || 'none'
    const error = { message: `version ${from} is not stored here`, hints: [`stored versions: ${known}`] }
    return { kind: 'refuse', because, errors: [error] }
  }
  const blocked = facts.withdrawal?.blocked.get(version.leaf.spki)
  if (blocked) {
    return { kind: 'refuse', because, errors: [refuseBlocked(blocked.certificate, from, blocked)] }
  }
  const taken = lineages.some((lineage) => highestNumber(lineage) > from || holdsOther(lineage, version))
  const crowded = reserved(lineages, adopt).some((number) => number >= from)
  const highest = Math.max(facts.highest, ...lineages.map(highestNumber), ...reserved(lineages, adopt))
  const why = taken ? 'is behind what nodes hold' : 'leaves none free for what is adopted'
  return {
    kind: 'keep',
    from,
    number: taken || crowded ? highest + 1 : from,
    notAfter: version.leaf.notAfter,
    because: taken || crowded ? `${because}; number ${from} ${why}` : because,
  }
}

function reserved(lineages: readonly Lineage[], adopt: boolean | undefined): number[] {
  return adopt ? lineages.map(reservedNumber) : []
}

function highestNumber(lineage: Lineage): number {
  return Math.max(0, ...lineage.archive.map(({ number }) => number))
}

function holdsOther(lineage: Lineage, { number, files }: VersionFacts): boolean {
  return lineage.archive.some(
    (file) => file.number === number && file.sha256 !== (files[file.kind] ?? file.sha256),
  )
}
