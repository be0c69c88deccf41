import type { App } from './app.ts'
import type { Certificate } from './core/certificate.ts'
import { CertsError, errorFacts } from './core/errors.ts'
import type { ChallengeObservation } from './core/observed.ts'
import { findPersist, refuseWithoutAccount } from './core/persist-finding.ts'
import type { PreflightLooks } from './preflight.ts'

export interface StandingWish {
  readonly certificate: Certificate
  /** Of the CA to which the records are to prove it. */
  readonly directory: string
}

/**
 * Whether the records that stay prove a certificate's names, one look for each record: a name and its wildcard share
 * one. Writes nothing, and makes no account.
 */
export async function lookAtStanding(
  app: App,
  looks: Pick<PreflightLooks, 'ca'>,
  { certificate, directory }: StandingWish,
): Promise<ChallengeObservation[]> {
  const { signal, now } = app.io
  const [solver, asked] = await Promise.all([
    app.solver(certificate),
    // Why the CA can't be asked is said once, where it is looked at by itself.
    looks.ca(directory).catch((error: unknown) => {
      if (error instanceof CertsError) return undefined
      throw error
    }),
  ])
  const bases = Map.groupBy(certificate.names, (name) => name.replace(/^\*\./, ''))
  const looked = [...bases].map(async ([base, names]): Promise<ChallengeObservation> => {
    const identifier = names.join(', ')
    const { issuers = [], account } = asked?.persist ?? {}
    if (asked && !account) {
      return { identifier, error: refuseWithoutAccount(base, new URL(directory).host) }
    }
    try {
      const standing = await solver.standing(base, signal)
      const place = { identifier, name: standing.name, zone: standing.zone }
      if (!account) return place
      const wildcard = names.some((name) => name !== base)
      const finding = findPersist(standing, { base, wildcard, issuers, account }, now())
      if (finding.kind === 'lacking') return { identifier, error: finding.facts }
      const { value: stands, note } = finding
      return { ...place, stands, ...(note && { note }) }
    } catch (error) {
      if (!(error instanceof CertsError)) throw error
      return { identifier, error: errorFacts(error) }
    }
  })
  return Promise.all(looked)
}
