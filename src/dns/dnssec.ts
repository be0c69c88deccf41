import type { RecordType } from '../core/dns-message.ts'
import { ProviderError } from '../core/errors.ts'
import { showNameServer, type NameServer } from '../core/name-server.ts'
import { query } from './query.ts'

/** The signatures of a name do not hold: every validating resolver refuses it, and so does a CA. */
export class BogusDnssec extends ProviderError {}

export interface FailedLookUp {
  readonly name: string
  readonly type: RecordType
  readonly signal: AbortSignal
}

/**
 * Asks a resolver that answered SERVFAIL once more without validation (CD, RFC 4035 section 3.2.2). An answer then
 * shows that validation alone stood in the way. Undefined where it did not, or where nothing comes.
 */
export async function explainServfail(
  server: NameServer,
  { name, type, signal }: FailedLookUp,
): Promise<BogusDnssec | undefined> {
  const question = { name, type, recursionDesired: true, checkingDisabled: true }
  const unchecked = await query(server, question, { signal }).catch((error: unknown) => {
    if (error instanceof ProviderError) return undefined
    throw error
  })
  if (unchecked?.rcode !== 'NOERROR' && unchecked?.rcode !== 'NXDOMAIN') return undefined
  const at = `@${server.address} -p ${server.port}`
  return new BogusDnssec(
    `look-up of ${type} ${name} failed: its DNSSEC is bogus: ${showNameServer(server)} answers only without validation`,
    {
      hint: [
        `a CA refuses it just so; see which signature is broken: delv ${at} ${name} ${type}`,
        'sign the zone again, or take its DS records out of the parent zone',
      ],
    },
  )
}
