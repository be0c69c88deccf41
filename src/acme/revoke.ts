import { X509Certificate } from 'node:crypto'
import type { AcmeSettings } from '../core/acme.ts'
import type { PublicVersion } from '../core/certificate.ts'
import { AcmeError, StateError } from '../core/errors.ts'
import { reasonCodes, type Reason } from '../core/withdrawal.ts'
import { accountUrl, openAccount } from './account.ts'
import { type Ca, openCa } from './ca.ts'
import { type IssueDeps, journaled } from './issuance.ts'
import { defaultPace } from './pace.ts'

export interface RevokeRequest {
  readonly version: PublicVersion
  readonly reason: Reason
  /** The CA that issued it; several where it is not known, of which one took its order. */
  readonly acmes: readonly AcmeSettings[]
}

export type RevokeDeps = Pick<IssueDeps, 'store' | 'emit' | 'now' | 'signal' | 'run' | 'pace'>

/**
 * Revokes a version's certificate (RFC 8555 section 7.6): by our account, and where there is none or it is not the
 * one that ordered it, by the certificate's own key. One that is revoked already is success. Throws AcmeError, that of
 * the first CA when none of several takes it.
 */
export async function revoke({ version, reason, acmes }: RevokeRequest, deps: RevokeDeps): Promise<void> {
  const errors: unknown[] = []
  for (const acme of acmes) {
    try {
      return await revokeAt({ version, reason, acme }, deps)
    } catch (error) {
      if (!(error instanceof AcmeError)) throw error
      errors.push(error)
    }
  }
  throw errors[0]
}

type Revocation = Omit<RevokeRequest, 'acmes'> & { readonly acme: AcmeSettings }

async function revokeAt(request: Revocation, deps: RevokeDeps): Promise<void> {
  const { version, reason, acme } = request
  const facts = { number: version.number, reason, directory: acme.directory }
  await journaled(deps, { certificate: version.certificate, action: 'revoke', facts }, async () => {
    if ((await accountUrl(deps.store, acme)) === undefined) return revokeByKey(request, deps)
    try {
      const pace = { ...defaultPace, ...deps.pace }
      using ca = await openAccount(deps, { settings: acme, certificate: version.certificate, pace })
      await send(ca, request)
    } catch (error) {
      if (!(error instanceof AcmeError) || error.type !== 'unauthorized') throw error
      await revokeByKey(request, deps)
    }
  })
}

async function revokeByKey(request: Revocation, deps: RevokeDeps): Promise<void> {
  const { store, now, signal, pace } = deps
  const { certificate, number } = request.version
  const version = await store.getVersion(certificate, number)
  if (!version) throw new StateError(`version ${number} of ${certificate} is gone from ${store.place}`)
  // An external binding belongs to the account, which has no part in this.
  const settings = { ...request.acme, eab: undefined }
  const accountKey = version.key.reveal()
  using ca = openCa({ settings, accountKey, now, signal, pace: { ...defaultPace, ...pace } })
  await send(ca, request)
}

async function send(ca: Ca, { version, reason }: Revocation): Promise<void> {
  const certificate = new X509Certificate(version.leaf).raw.toString('base64url')
  try {
    await ca.revoke(certificate, reasonCodes[reason])
  } catch (error) {
    if (!(error instanceof AcmeError) || error.type !== 'alreadyRevoked') throw error
  }
}
