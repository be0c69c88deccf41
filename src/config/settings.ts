import type { Certificate } from '../core/certificate.ts'
import type { Node } from '../core/node.ts'
import type { RolloutSettings } from '../core/waves.ts'
import type { SecretSource } from '../secrets.ts'

/** The configuration with every default filled in and every path absolute; secrets are still references. */
export interface Settings {
  /** The file it was read from. */
  readonly file: string
  readonly state: StateSettings
  /** Each with a directory of its own; the first is the one to use. */
  readonly cas: readonly [CaSettings, ...CaSettings[]]
  readonly dns: Readonly<Record<string, { readonly provider: string; readonly [setting: string]: unknown }>>
  readonly resolvers: readonly string[]
  readonly nodes: Readonly<Record<string, Node>>
  readonly certificates: Readonly<Record<string, Certificate>>
  readonly prune: {
    /** Versions of a lineage that stay on a node, the live one among them. */
    readonly keep: number
  }
  readonly rollout: RolloutSettings
}

export interface StateSettings {
  readonly folder: string
  /** age recipients that keys are sealed to; empty: keys lie in the clear. */
  readonly encryptTo: readonly string[]
  /** The age identity that opens sealed keys. */
  readonly identity: SecretSource | undefined
}

export interface CaSettings {
  /** What a person calls it: `Let's Encrypt`; the host where the directory is no known one. */
  readonly name: string
  /** Where it stands in the configuration, for messages: `acme`. */
  readonly place: string
  /** https URL. */
  readonly directory: string
  readonly contact: readonly string[]
  readonly eab: { readonly kid: string; readonly hmac: SecretSource } | undefined
  /** Path of a PEM file. */
  readonly caBundle: string | undefined
  readonly profile: string | undefined
  readonly preferredChain: string | undefined
}
