import { setTimeout as sleep } from 'node:timers/promises'
import { AcmeError } from '../core/errors.ts'

/** How long things may take, in milliseconds, and the dice for jitter. */
export interface Pace {
  /** One HTTP request, from connecting to the last byte. */
  readonly requestMs: number
  /** Trying one call to the CA again and again; a longer Retry-After ends it at once. */
  readonly retryMs: number
  /** The same for the first call of a run, when nothing is at stake yet. */
  readonly firstRetryMs: number
  /** From the challenges' answers to the CA's verdict, and from finalize to the certificate. */
  readonly pollMs: number
  /** Until every authoritative server shows the TXT records. */
  readonly propagationMs: number
  /** Removing TXT records, also after an abort. */
  readonly cleanupMs: number
  /** 0 to 1. */
  readonly random: () => number
}

export const defaultPace: Pace = {
  requestMs: 30_000,
  retryMs: 60_000,
  firstRetryMs: 3_000,
  pollMs: 300_000,
  propagationMs: 300_000,
  cleanupMs: 20_000,
  random: Math.random,
}

/** 100 ms, doubling to 5 s, each with half of it as jitter. */
export function backoffMs(attempt: number, random: () => number): number {
  const step = Math.min(100 * 2 ** (attempt - 1), 5_000)
  return step * (0.75 + random() / 2)
}

/** Waits less than a day. Throws AcmeError when `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {
    throw interrupted(signal)
  })
}

export function interrupted(signal: AbortSignal): AcmeError {
  const hint = 'run it again: what was begun at the CA is taken up where it stands'
  return new AcmeError('talking to the CA was interrupted', { cause: signal.reason, hint })
}
