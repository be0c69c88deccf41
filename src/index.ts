import type { RawConfig, RawState } from './config/schema.ts'

/** The type of `certs.config.ts`: `export default { … } satisfies Config`. */
export type Config = Omit<RawConfig, 'dns' | 'state'> & {
  /** The state folder, or how private keys lie in it, too. */
  readonly state?: string | RawState
  /** DNS accounts by a name of your own; which settings each takes depends on its provider. */
  readonly dns?: Readonly<Record<string, { readonly provider: string; readonly [setting: string]: unknown }>>
}
