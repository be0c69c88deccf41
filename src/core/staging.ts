import type { Leaf } from './certificate.ts'

/** What no browser trusts, by the names that CAs give to the issuers and directories they have for trying. */
const staging = /staging|fake le |\/\/dv\.acme-v02\.test-api\.pki\.goog\//i

/** An issuer's name, or a directory's URL. */
export function isStaging(text: string): boolean {
  return staging.test(text)
}

/** Leaves that users accept now, which a staging CA's must not replace. */
export function trustedLeaves(served: readonly Leaf[], now: Date): readonly Leaf[] {
  return served.filter(({ issuer, notAfter }) => !isStaging(issuer) && Date.parse(notAfter) > now.getTime())
}
