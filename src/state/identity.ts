import { ConfigError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'

export interface Identities {
  /** As `AGE-SECRET-KEY-1…`; at least one. */
  readonly all: readonly string[]
  /** Their recipients, which are public. */
  readonly recipients: readonly string[]
}

/** Reads what `age-keygen -o` writes: identities one a line, comments. Throws ConfigError for any other kind. */
export async function readIdentities(secret: Secret): Promise<Identities> {
  const text = secret.reveal()
  if (/^(-----BEGIN AGE ENCRYPTED FILE|age-encryption\.org\/)/.test(text.trimStart())) {
    throw unusable('it is sealed by a passphrase itself, and nobody is asked for one', [
      "let age ask, for a run that a person watches: state.identity: { command: ['age', '-d', 'identity.age'] }",
      'for a run that nobody watches: { env } or { file } of an identity without a passphrase',
    ])
  }
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) throw unusable('SSH keys are not supported', [makeOne])
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  const all = lines.filter((line) => line !== '' && !line.startsWith('#'))
  if (all.length === 0) throw unusable('there is none in it', [makeOne])
  const { recipientOf } = await import('./age.ts')
  const recipients = all.map(async (line, index) => {
    if (line.startsWith('AGE-PLUGIN-')) throw unusable('identities of plugins are not supported', [makeOne])
    const recipient = isIdentity(line) ? await recipientOf(line) : undefined
    if (recipient !== undefined) return recipient
    const which = all.length === 1 ? 'it' : `entry ${index + 1} of it`
    throw unusable(`${which} is no age identity, or not a whole one`, [
      `it begins with AGE-SECRET-KEY-1; ${makeOne}`,
    ])
  })
  return { all, recipients: await Promise.all(recipients) }
}

const makeOne = 'make one: age-keygen -o identity.txt, and add its recipient to state.encryptTo'

function isIdentity(line: string): boolean {
  return line.startsWith('AGE-SECRET-KEY-1') || line.startsWith('AGE-SECRET-KEY-PQ-1')
}

function unusable(because: string, hint: readonly string[]): ConfigError {
  return new ConfigError(`the identity in state.identity is unusable: ${because}`, { hint })
}
