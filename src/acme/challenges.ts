import type { ChallengeMethod } from '../core/certificate.ts'
import { AcmeError, type Subproblem } from '../core/errors.ts'
import type { PlacedRecord } from '../dns/solver.ts'
import type { Authorization, Challenge } from './authorization.ts'
import { journaled } from './issuance.ts'
import { hintFor } from './problem.ts'
import { retry } from './retry.ts'
import { confirmStanding } from './standing.ts'
import { createTxt, mergeRecords } from './txt.ts'
import type { Order } from './wire.ts'
import { DeadOrder, recordOf, type Work } from './work.ts'

interface Open {
  readonly authorization: Authorization
  readonly challenge: Challenge
}

/**
 * Proves control of all names that are not proved yet, side by side: TXT records created and seen on every
 * authoritative server, or those that stay found there, then challenges answered. Resolves to how many were answered;
 * the CA's verdict is for the order to tell. Throws DeadOrder when an authorization can't become valid any more.
 */
export async function proveControl(work: Work, order: Order): Promise<number> {
  const { ca, method } = work
  const authorizations = await Promise.all(order.authorizations.map((url) => ca.authorization(url, method)))
  const open = authorizations.flatMap((authorization) => openChallenge(work, authorization))
  if (open.length === 0) return 0

  if (method === 'dns-persist-01') await confirmStanding(work, open)
  else await publish(work, open)
  await Promise.all(open.map((one) => answer(work, one)))
  return open.length
}

async function publish(work: Work, open: readonly Open[]): Promise<void> {
  const { deps, pace, certificate, file } = work
  const records = await placeRecords(work, open)
  await file.update({ records: mergeRecords(recordOf(work).records, records) })
  await createTxt(deps, records, { certificate, signal: deps.signal })
  await deps.solver.waitUntilSeen(records, {
    signal: deps.signal,
    deadlineMs: pace.propagationMs,
    onProgress: (seen, servers) => deps.emit({ kind: 'propagation', certificate, seen, servers }),
  })
}

function openChallenge({ names, certificate, method }: Work, authorization: Authorization): Open[] {
  const { status, challenge, offered } = authorization
  const name = nameOf(authorization)
  if (!names.includes(name)) {
    throw new AcmeError(
      `the order of ${certificate} asks for a proof of ${JSON.stringify(name)}, which is not ours`,
    )
  }
  if (status === 'valid') return []
  if (status !== 'pending') throw new DeadOrder(`the authorization of ${name} is ${status}`)
  if (challenge === undefined) {
    const offers = offered.length === 0 ? 'none' : offered.join(', ')
    throw new AcmeError(`the CA offers no ${method} challenge for ${name}: it offers ${offers}`, {
      type: 'unsupportedChallenge',
      hint: hintForMethod(certificate, method),
    })
  }
  // A challenge that an earlier run has answered is being looked at by the CA.
  return challenge.status === 'pending' ? [{ authorization, challenge }] : []
}

function hintForMethod(certificate: string, method: ChallengeMethod): string | undefined {
  if (method === 'dns-01') return undefined
  return `use a CA that offers it, or take challenge: '${method}' from certificates["${certificate}"], which needs dns then`
}

/** example.com and *.example.com are proved under one name, which is located once and gets both values. */
async function placeRecords({ ca, deps }: Work, open: readonly Open[]): Promise<PlacedRecord[]> {
  const identifiers = [...new Set(open.map(({ authorization }) => authorization.identifier))]
  const places = new Map(
    await Promise.all(
      identifiers.map(async (name) => [name, await deps.solver.locate(name, deps.signal)] as const),
    ),
  )
  return Promise.all(
    open.map(async ({ authorization, challenge }) => {
      const place = places.get(authorization.identifier)
      if (place === undefined || challenge.method !== 'dns-01') {
        throw new Error(`no place for ${authorization.identifier}`)
      }
      return { ...place, value: await ca.txtValue(challenge.token) }
    }),
  )
}

async function answer(
  { ca, method, deps, pace, certificate }: Work,
  { authorization, challenge }: Open,
): Promise<void> {
  const identifier = nameOf(authorization)
  // What was sent may have arrived although its answer did not: the authorization tells.
  const attempt = async (): Promise<void> => {
    try {
      await ca.answer(challenge.url)
    } catch (error) {
      const seen = await ca.authorization(authorization.url, method)
      if (seen.status === 'pending' && seen.challenge?.status === 'pending') throw error
    }
  }
  await journaled(deps, { certificate, action: 'challenge-answer', facts: { identifier } }, () =>
    retry(attempt, { budgetMs: pace.retryMs, pace, signal: deps.signal, maxTries: 4 }),
  )
  deps.emit({ kind: 'challenge-answered', certificate, identifier })
}

/** Why the CA did not believe us, name by name, in its own words. */
export async function explainInvalid({ ca, method, certificate }: Work, order: Order): Promise<AcmeError> {
  const authorizations = await Promise.all(
    order.authorizations.map((url) => ca.authorization(url, method).catch(() => undefined)),
  )
  const refused: Subproblem[] = authorizations.flatMap((authorization) => {
    if (authorization === undefined || authorization.status !== 'invalid') return []
    const error = authorization.challenge?.error ?? order.error
    const identifier = nameOf(authorization)
    return [{ identifier, type: error?.type ?? 'unknown', detail: error?.detail ?? 'the CA gave no reason' }]
  })
  if (refused.length === 0) {
    const { type = 'unknown', detail = 'the CA gave no reason', subproblems = [] } = order.error ?? {}
    return new AcmeError(`the order of ${certificate} failed: ${detail} (${type})`, {
      type,
      subproblems,
      hint: hintFor({ type }),
    })
  }
  const lines = refused.map(({ identifier, type, detail }) => `${identifier}: ${detail} (${type})`)
  const types = [...new Set(refused.map(({ type }) => type))]
  return new AcmeError(`the CA could not validate ${lines.join('; ')}`, {
    type: types[0],
    subproblems: refused,
    hint: [...new Set(types.flatMap((type) => hintFor({ type })))],
  })
}

function nameOf({ identifier, wildcard }: Authorization): string {
  return wildcard ? `*.${identifier}` : identifier
}
