import type { App } from './app.ts'
import type { Certificate } from './core/certificate.ts'
import { chooseCa } from './core/choose-ca.ts'
import { CertsError, errorFacts } from './core/errors.ts'
import type { CaLook, CaState, CertificateObservation, ChallengeObservation } from './core/observed.ts'
import type { PreflightLooks } from './preflight.ts'
import type { StandingWish } from './standing.ts'

/** The plan says them, too; where it is not shown, they are said while it is made. */
export function sayWarnings(
  app: App,
  { name }: Certificate,
  { preflight, looks = [] }: CertificateObservation,
): void {
  const warnings = [
    ...looks.flatMap(({ warnings: said, down = [] }) => [...said, down].flat()),
    ...(preflight?.warnings ?? []),
  ]
  for (const { message } of warnings) app.emit({ kind: 'warning', certificate: name, message })
}

export interface Ahead {
  readonly looks: PreflightLooks
  readonly facts: Omit<CertificateObservation, 'challenges'>
  readonly cas: readonly CaState[]
}

/** Where TXT records would go or stand, and what would stop or disturb the issuance. */
export async function lookAhead(
  app: App,
  certificate: Certificate,
  { looks, facts, cas }: Ahead,
): Promise<Pick<CertificateObservation, 'challenges' | 'preflight' | 'looks'>> {
  const looking = lookAtCas(app, certificate, { looks, facts, cas })
  const locating = isStanding(certificate)
    ? looking.then((seen) => seen.at(-1)?.standing ?? [])
    : locateChallenges(app, certificate)
  const [challenges, dns, keys, atCas] = await Promise.all([
    locating,
    looks.dns(locating),
    looks.keys(),
    looking,
  ])
  const preflight = {
    refusals: [...keys.refusals, ...dns.refusals],
    warnings: [...keys.warnings, ...dns.warnings],
  }
  return { challenges, preflight, looks: atCas }
}

/** One CA after the other, until nothing is known against one. */
async function lookAtCas(
  app: App,
  certificate: Certificate,
  { looks, facts, cas }: Ahead,
): Promise<CaLook[]> {
  const now = app.io.now()
  const seen: CaLook[] = []
  for (;;) {
    const choice = chooseCa(certificate, { facts: { ...facts, looks: seen }, cas, now })
    if (choice.kind !== 'use' || seen.some(({ directory }) => directory === choice.ca.directory)) return seen
    seen.push(await lookAtCa(app, looks, { certificate, directory: choice.ca.directory }))
  }
}

/** What is known of the CA, and whether the records that stay prove the names to it. */
export async function lookAtCa(
  app: App,
  looks: PreflightLooks,
  { certificate, directory }: StandingWish,
): Promise<CaLook> {
  if (!isStanding(certificate)) return looks.at(directory, certificate)
  const { lookAtStanding } = await import('./standing.ts')
  const [look, standing] = await Promise.all([
    looks.at(directory, certificate),
    lookAtStanding(app, looks, { certificate, directory }),
  ])
  const lacking = standing.flatMap((one) => ('error' in one ? one.error : []))
  return {
    ...look,
    refusals: [...look.refusals, ...lacking],
    standing: standing.filter((one) => !('error' in one)),
  }
}

function isStanding({ challenge }: Certificate): boolean {
  return challenge === 'dns-persist-01'
}

/** Loaded when something is due: the list of public suffixes is large. */
export async function domainsOf({ names }: Certificate): Promise<string[]> {
  const { registeredDomains } = await import('./core/registered-domain.ts')
  return registeredDomains(names)
}

/** Where each TXT record would go: proves delegation, zone and provider before anything is ordered. */
async function locateChallenges(app: App, certificate: Certificate): Promise<ChallengeObservation[]> {
  const solver = await app.solver(certificate)
  return Promise.all(
    certificate.names.map(async (identifier) => {
      try {
        return { identifier, ...(await solver.locate(identifier, app.io.signal)) }
      } catch (error) {
        if (!(error instanceof CertsError)) throw error
        return { identifier, error: errorFacts(error) }
      }
    }),
  )
}
