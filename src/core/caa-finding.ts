import { judgeCaa, lockingRecord, showCaa } from './caa.ts'
import type { CaaRecord, CaaSet, Issuer } from './caa.ts'
import type { ErrorFacts } from './errors.ts'

export interface CaaLook {
  readonly identifier: string
  readonly found: CaaSet
  readonly issuer: Issuer
  /** The zone that `found.owner` is in: where a person edits. */
  readonly zone: string
}

export type CaaFinding =
  | { readonly kind: 'allowed'; readonly said: string }
  | { readonly kind: 'warning' | 'refusal'; readonly facts: ErrorFacts }

/** The verdict on one identifier in words, with the record to set where a person must act. */
export function findCaaObstacle({ identifier, found, issuer, zone }: CaaLook): CaaFinding {
  const verdict = judgeCaa(identifier, found, issuer)
  const { owner } = found
  switch (verdict.kind) {
    case 'allowed':
      return { kind: 'allowed', said: verdict.by ? showCaa(owner, verdict.by) : 'no CAA record restricts it' }
    case 'unclear': {
      const message = `CAA of ${identifier} can not be judged: ${quote(owner, verdict.by)}: ${verdict.because}`
      return { kind: 'warning', facts: { message, hints: [] } }
    }
    case 'forbidden': {
      const message = `CAA forbids ${identifier}: ${quote(owner, verdict.by)}: ${verdict.because}`
      return {
        kind: 'refusal',
        facts: { message, hints: [sayCure({ owner, by: verdict.by, issuer, zone })] },
      }
    }
  }
}

function quote(owner: string, records: readonly CaaRecord[]): string {
  const shown = records.slice(0, 3).map((record) => showCaa(owner, record))
  return [...shown, ...(records.length > 3 ? [`${records.length - 3} more`] : [])].join(', ')
}

interface Cure {
  readonly owner: string
  readonly by: readonly CaaRecord[]
  readonly issuer: Issuer
  readonly zone: string
}

function sayCure({ owner, by, issuer, zone }: Cure): string {
  const tag = by[0]?.tag ?? 'issue'
  if (!tag.startsWith('issue')) return `take it out of the zone ${zone}, or clear its critical flag`
  const [identity] = issuer.identities
  if (identity === undefined)
    return `let the zone ${zone} name the CA: its documentation says its CAA identity`
  const restricted = by.some(({ value }) => /;.*=/.test(value) && value.toLowerCase().includes(identity))
  const record = restricted ? { ...lockingRecord(issuer), tag } : { critical: false, tag, value: identity }
  return `${restricted ? 'set' : 'add'} in the zone ${zone}: ${showCaa(owner, record)}`
}
