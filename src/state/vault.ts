import { sha256 } from '../core/certificate.ts'
import { ConfigError, StateError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import { quote } from './failure.ts'
import { readIdentities } from './identity.ts'
import type { Identities } from './identity.ts'
import { digestOf, isArmored, isSealed, readSeal } from './seal.ts'
import type { Seal } from './seal.ts'
import type { KeyForm } from './store.ts'

/** Private keys as they lie on the disk: PEM, or armored age text. */
export interface Vault {
  /** What new keys are sealed to; empty: they lie in the clear. */
  readonly recipients: readonly string[]
  /**
   * The PEM as it is to be written, with what may be said of it. The first time, it is proved that the identity opens what is sealed: a key that
   * nobody can open would be lost. Throws ConfigError when there is none, or it does not fit.
   */
  seal(pem: string, sums?: Seal['sums']): Promise<string>
  /**
   * The PEM of what was read. Throws ConfigError or StateError.
   * @param place for messages: a path, or `the key of …`
   */
  open(text: string, place: string): Promise<string>
  judge(text: string): KeyForm
  /** Throws ConfigError unless the identity opens what is sealed now. */
  prove(): Promise<void>
}

export interface VaultOptions {
  readonly recipients: readonly string[]
  /** Reads the configured identity, when a key is to be opened; absent where none is configured. */
  readonly identity: (() => Promise<Secret>) | undefined
}

export function openVault({ recipients, identity }: VaultOptions): Vault {
  const wanted = digestOf(recipients)
  /** What this run has sealed or opened. */
  const known = new Map<string, string>()
  let identities: Promise<Identities> | undefined
  let proved: Promise<void> | undefined

  const readOnce = async (doing: string): Promise<Identities> => {
    if (!identity) throw withoutIdentity(doing, recipients)
    identities ??= identity().then(readIdentities)
    return identities
  }

  const unseal = async (text: string, place: string): Promise<string> => {
    const doing = `opening ${place} failed`
    if (!isArmored(text)) throw binary(doing, place)
    const [{ openWith }, mine] = await Promise.all([import('./age.ts'), readOnce(doing)])
    const opened = await openWith(mine.all, text)
    if (opened.kind === 'opened') return opened.pem
    if (opened.kind === 'damaged') throw damaged(doing, opened.because)
    const isForUs = readSeal(text)?.recipients === wanted && mine.recipients.some(isConfigured)
    if (isForUs) throw damaged(doing, 'what is sealed to its recipients does not open')
    throw foreign(doing, mine)
  }

  const isConfigured = (recipient: string) => recipients.includes(recipient)

  const prove = async (text: string): Promise<void> => {
    const [{ openWith }, mine] = await Promise.all([import('./age.ts'), readOnce('sealing keys failed')])
    const { kind } = await openWith(mine.all, text)
    if (kind !== 'opened') throw unfit(mine, recipients)
  }

  const sealed = async (pem: string, sums: Seal['sums'] = { privkey: sha256(pem) }): Promise<string> => {
    const { sealTo } = await import('./age.ts')
    const text = await sealTo(recipients, pem, sums)
    await (proved ??= prove(text))
    return text
  }

  return {
    recipients,

    async seal(pem, sums) {
      if (recipients.length === 0) return pem
      const text = await sealed(pem, sums)
      known.set(text, pem)
      return text
    },

    async prove() {
      if (recipients.length > 0) await sealed('')
    },

    async open(text, place) {
      if (!isSealed(text)) return text
      const pem = known.get(text) ?? (await unseal(text, place))
      known.set(text, pem)
      return pem
    },

    judge(text) {
      if (!isSealed(text)) return 'clear'
      return readSeal(text)?.recipients === wanted ? 'sealed' : 'sealed-otherwise'
    },
  }
}

/** Where nothing is configured: keys lie in the clear, and what is sealed can't be opened. */
export const clearVault: Vault = openVault({ recipients: [], identity: undefined })

function withoutIdentity(doing: string, recipients: readonly string[]): ConfigError {
  const whose = recipients.length === 0 ? 'one of its recipients' : `one of ${recipients.join(', ')}`
  return new ConfigError(`${doing}: keys are sealed, and state.identity is not configured`, {
    hint: `set state.identity: { file: 'identity.txt' } (or { env } or { command }) to the identity of ${whose}`,
  })
}

function unfit(mine: Identities, recipients: readonly string[]): ConfigError {
  const own = mine.recipients.join(', ')
  return new ConfigError(
    `sealing keys failed: the identity in state.identity could not open them, since state.encryptTo lacks its recipient ${own}`,
    {
      hint: [
        `add ${mine.recipients[0]} to state.encryptTo`,
        `or let state.identity be the identity of one that is there: ${recipients.join(', ')}`,
      ],
    },
  )
}

function foreign(doing: string, mine: Identities): ConfigError {
  const own = mine.recipients.join(', ')
  return new ConfigError(
    `${doing}: it is sealed to other recipients than that of the identity in state.identity, ${own}`,
    { hint: 'add the identity that it was sealed to: state.identity may hold several, one a line' },
  )
}

function damaged(doing: string, because: string): StateError {
  return new StateError(`${doing}: the age text is damaged: ${because}`, {
    hint: 'restore it from a backup; without one, issue a new version: certs rollout NAME --force-renew',
  })
}

function binary(doing: string, place: string): StateError {
  const path = quote(place)
  return new StateError(`${doing}: it is a binary age file, and only armored ones are read`, {
    hint: `age -d -i identity.txt ${path} | age -a -r age1… > ${path}.armored && mv ${path}.armored ${path}`,
  })
}
