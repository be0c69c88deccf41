import { ProviderError } from '../core/errors.ts'
import { findPersist } from '../core/persist-finding.ts'
import type { Authorization, Challenge } from './authorization.ts'
import type { Work } from './work.ts'

interface Open {
  readonly authorization: Authorization
  readonly challenge: Challenge
}

/**
 * Looks whether the records that stay prove every open authorization, by the names that its challenge gives for the
 * CA: a failed validation counts against the CA's limits, and this one need not be made. Throws ProviderError with
 * the record to set; the order stays and is taken up when it is set.
 */
export async function confirmStanding(work: Work, open: readonly Open[]): Promise<void> {
  const { ca, deps, certificate } = work
  const account = await ca.persistAccount()
  const bases = Map.groupBy(open, ({ authorization }) => authorization.identifier)
  const findings = [...bases].map(async ([base, group]) => {
    const wildcard = group.some(({ authorization }) => authorization.wildcard)
    const challenges = group.flatMap(({ challenge }) =>
      challenge.method === 'dns-persist-01' ? challenge : [],
    )
    const { issuers = [], accountUri } = challenges[0] ?? {}
    // A CA that wants a hash says so in its directory, and one that wants the URL may say which.
    const url = (account.hashPrefix === undefined ? accountUri : undefined) ?? account.url
    const standing = await deps.solver.standing(base, deps.signal)
    return findPersist(standing, { base, wildcard, issuers, account: { ...account, url } }, deps.now())
  })
  for (const finding of await Promise.all(findings)) {
    if (finding.kind === 'lacking') {
      throw new ProviderError(finding.facts.message, { hint: finding.facts.hints })
    }
    if (finding.note) deps.emit({ kind: 'warning', certificate, message: finding.note.message })
  }
}
