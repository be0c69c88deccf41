import type { Parking } from './backoff.ts'
import { sayInstant } from './duration.ts'
import type { ErrorFacts } from './errors.ts'

/** `parked until 2026-11-23 12:10 UTC, because …`, and what a person can do. */
export function sayParking(certificate: string, parked: Parking): ErrorFacts {
  const message = `${certificate} is parked until ${sayInstant(parked.until)}, because ${parked.because}`
  return { message, hints: [hintFor(certificate, parked)] }
}

function hintFor(certificate: string, { by, until }: Parking): string {
  switch (by) {
    case 'pause':
      return `mend the cause, then try at once: certs rollout ${certificate}`
    case 'CA':
      return `the first run after ${sayInstant(until)} tries again; the CA would refuse before`
    case 'limit':
      return `the first run after ${sayInstant(until)} issues it; the CA would refuse before`
  }
}
