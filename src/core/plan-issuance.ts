import type { Certificate } from './certificate.ts'
import type { Lineage } from './node.ts'
import type { CertificateObservation } from './observed.ts'
import type { Issuance } from './plan.ts'
import { judgeRenewal } from './renewal.ts'
import type { VersionFacts } from './version.ts'

export interface IssuanceInput {
  readonly facts: CertificateObservation
  /** What the nodes hold of this certificate. */
  readonly lineages: readonly Lineage[]
  readonly now: Date
  readonly forceRenew: boolean
  readonly toVersion?: number | undefined
}

/** Whether the stored version is kept or a new one is issued, and under which number. */
export function planIssuance(certificate: Certificate, input: IssuanceInput): Issuance {
  const { facts, now, forceRenew, toVersion } = input
  if (toVersion !== undefined) return keepVersion(toVersion, 'this version was asked for', input)

  const newest = facts.versions.at(-1)
  const renewal = judgeRenewal({
    certificate,
    stored: newest?.leaf,
    now,
    forced: forceRenew,
    underway: facts.underway !== undefined,
  })
  if (!renewal.due && newest) return keepVersion(newest.number, renewal.because, input)

  const errors = facts.challenges.flatMap((challenge) => ('error' in challenge ? challenge.error : []))
  if (errors.length > 0) return { kind: 'refuse', because: renewal.because, errors }
  return {
    kind: 'issue',
    number: nextNumber(input),
    because: renewal.because,
    names: certificate.names,
    key: certificate.key,
    resumes: facts.underway !== undefined,
    challenges: facts.challenges,
  }
}

/** One above everything in use; a half-written version of an order under way keeps the number it was begun with. */
function nextNumber({ facts, lineages }: IssuanceInput): number {
  const onNodes = Math.max(0, ...lineages.map(highestNumber))
  const begun = facts.underway?.number ?? 0
  return begun > onNodes && begun >= facts.highest ? begun : Math.max(onNodes, facts.highest) + 1
}

/**
 * Keeps the stored version, under a number above everything on the nodes when they use it for other bytes
 * or hold higher ones: certbot moves links to the highest complete number (certbot #10655).
 */
function keepVersion(from: number, because: string, { facts, lineages }: IssuanceInput): Issuance {
  const version = facts.versions.find(({ number }) => number === from)
  if (!version) {
    const known = facts.versions.map(({ number }) => number).join(', ') || 'none'
    const error = { message: `version ${from} is not stored here`, hints: [`stored versions: ${known}`] }
    return { kind: 'refuse', because, errors: [error] }
  }
  const taken = lineages.some((lineage) => highestNumber(lineage) > from || holdsOther(lineage, version))
  const highest = Math.max(facts.highest, ...lineages.map(highestNumber))
  return {
    kind: 'keep',
    from,
    number: taken ? highest + 1 : from,
    notAfter: version.leaf.notAfter,
    because: taken ? `${because}; number ${from} is behind what nodes hold` : because,
  }
}

function highestNumber(lineage: Lineage): number {
  return Math.max(0, ...lineage.archive.map(({ number }) => number))
}

function holdsOther(lineage: Lineage, version: VersionFacts): boolean {
  return lineage.archive.some(
    (file) => file.number === version.number && file.sha256 !== version.files[file.kind],
  )
}
