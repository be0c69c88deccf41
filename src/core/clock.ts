import { sayDuration } from './duration.ts'
import type { ErrorFacts } from './errors.ts'

export interface Clocks {
  readonly ours: Date
  /** What the CA's HTTP Date said at the same moment; to the second (RFC 9110 section 6.6.1). */
  readonly theirs: Date
}

const toleranceMs = 5 * 60_000

/** Why nothing may be issued by this machine's clock: due dates, and what a certificate is checked by, would be wrong. */
export function judgeClock({ ours, theirs }: Clocks): ErrorFacts | undefined {
  const skew = ours.getTime() - theirs.getTime()
  if (Math.abs(skew) <= toleranceMs) return undefined
  const apart = `${sayDuration(skew)} ${skew > 0 ? 'ahead' : 'behind'}`
  return {
    message: `the clock of this machine is ${apart}: it says ${sayTime(ours)}, the CA says ${sayTime(theirs)}`,
    hints: ['set the clock: timedatectl set-ntp true; then compare: date -u'],
  }
}

function sayTime(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}
