import { readFile, stat } from 'node:fs/promises'
import type { NodeError } from '../../src/core/errors.ts'
import { causeOf } from '../../src/core/cause.ts'
import {
  fingerprint,
  hostKeyType,
  hostName,
  judge,
  type KnownHost,
  parseKnownHosts,
  type Verdict,
} from '../known-hosts.ts'
import { type Hop, hopError, placeOf } from './hop.ts'

/** A file that is not there yet knows nobody. */
export async function readKnownHosts(hop: Hop): Promise<readonly KnownHost[]> {
  const { knownHosts } = hop.target
  try {
    const { ino, mtimeMs, size } = await stat(knownHosts)
    const state = [ino, mtimeMs, size].join()
    const known = read.get(knownHosts)
    if (known?.state === state) return await known.entries
    const entries = readFile(knownHosts, 'utf8').then(parseKnownHosts)
    read.set(knownHosts, { state, entries })
    return await entries
  } catch (error) {
    read.delete(knownHosts)
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw hopError(hop, 'connect', { message: `read ${knownHosts} failed: ${causeOf(error)}`, cause: error })
  }
}

interface Read {
  readonly state: string
  readonly entries: Promise<readonly KnownHost[]>
}

/** A large fleet has a large file, which each of its logins needs: what it says is kept once, while it stays as it is. */
const read = new Map<string, Read>()

export interface Verifier {
  /** For ssh2's `hostVerifier`, which takes everything but exactly `false` for yes, and asks again at each rekey. */
  readonly accepts: (key: Buffer) => boolean
  /** Why a key was not accepted. */
  readonly refusal: () => NodeError | undefined
}

export function createVerifier(hop: Hop, entries: readonly KnownHost[]): Verifier {
  let refusal: NodeError | undefined
  return {
    accepts(key) {
      try {
        const verdict = judge(entries, hop.target, key)
        if (verdict.kind === 'known') return true
        refusal = refused(hop, key, verdict)
      } catch (cause) {
        refusal = hopError(hop, 'connect', {
          message: `host key of ${placeOf(hop)} refused: ${causeOf(cause)}`,
          cause,
        })
      }
      return false
    },
    refusal: () => refusal,
  }
}

function refused(hop: Hop, key: Buffer, verdict: Exclude<Verdict, { kind: 'known' }>): NodeError {
  const { knownHosts } = hop.target
  const place = placeOf(hop)
  const shown = `${hostKeyType(key)} ${fingerprint(key)}`
  const trust = `certs nodes trust ${hop.node}`
  switch (verdict.kind) {
    case 'unknown':
      return hopError(hop, 'connect', {
        message: `host key of ${place} is unknown: ${shown}`,
        hint: ['compare this fingerprint with the one on the machine itself, then', trust],
      })
    case 'changed':
      return hopError(hop, 'connect', {
        message:
          `host key of ${place} has changed: it shows ${shown}, ` +
          `but ${knownHosts} line ${verdict.line} has ${verdict.fingerprint}`,
        hint: [
          'somebody may be in between; only if you know why it changed:',
          `ssh-keygen -R '${hostName(hop.target)}' -f ${knownHosts} && ${trust}`,
        ],
      })
    case 'revoked':
      return hopError(hop, 'connect', {
        message: `host key of ${place} is revoked by ${knownHosts} line ${verdict.line}: ${shown}`,
        hint: 'give the machine a new host key; this one must not be used any more',
      })
    case 'cert-authority':
      return hopError(hop, 'connect', {
        message: `host key of ${place} is vouched for by a certificate authority only (${knownHosts} line ${verdict.line}): host certificates are not supported`,
        hint: ['compare the fingerprint with the one on the machine itself, then', trust],
      })
  }
}
