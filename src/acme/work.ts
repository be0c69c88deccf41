import type { AcmeSettings } from '../core/acme.ts'
import type { ChallengeMethod } from '../core/certificate.ts'
import { AcmeError } from '../core/errors.ts'
import type { Ca } from './ca.ts'
import type { IssueDeps } from './issuance.ts'
import type { OrderFile, OrderRecord } from './order-record.ts'
import type { Pace } from './pace.ts'

/** One order being worked on. */
export interface Work {
  readonly certificate: string
  /** Sorted. */
  readonly names: readonly string[]
  readonly method: ChallengeMethod
  readonly settings: AcmeSettings
  readonly deps: IssueDeps
  readonly pace: Pace
  readonly ca: Ca
  readonly file: OrderFile
}

/** The order can't lead to a certificate any more, through nothing that this run did: another one may. */
export class DeadOrder extends AcmeError {}

/** The record, which is there from the moment the key is stored until the version is. */
export function recordOf({ file, certificate }: Work): OrderRecord {
  if (file.value === undefined) throw new Error(`the order record of ${certificate} is gone`)
  return file.value
}

/** Of the version to come; PKCS#8 PEM. Throws ConfigError where it is sealed and there is no identity for it. */
export function openKey(work: Work): Promise<string> {
  return work.deps.store.keys.open(recordOf(work).key, `the key of the order of ${work.certificate}`)
}

/** Forgets the CA's order and keeps the key and the TXT intents. */
export async function retire({ file }: Work): Promise<void> {
  await file.update({ orderUrl: undefined, finalizing: undefined })
}

export function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === a.length
}
