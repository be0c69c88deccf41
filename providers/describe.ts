import type { Secret } from '../src/core/secret.ts'
import type { Provider, ProviderDescription, Setting, Settings } from './provider.ts'

type Described = Readonly<Record<string, Setting>>

/** What a provider is called with, derived from the description of its settings. */
export type SettingsOf<D extends Described> = {
  readonly [K in keyof D]: ValueOf<D[K]> | (D[K] extends { readonly optional: true } ? undefined : never)
}

type ValueOf<S extends Setting> = S extends {
  readonly type: 'group'
  readonly settings: infer D extends Described
}
  ? SettingsOf<D>
  : S extends { readonly choices: readonly (infer C)[] }
    ? C
    : { string: string; secret: Secret; number: number; strings: readonly string[]; group: never }[S['type']]

/** Checks at compile time that a provider takes what its description says. */
export function describe<const D extends Described>(description: {
  readonly about: string
  readonly settings: D
  readonly load: () => Promise<(settings: SettingsOf<D>) => Provider>
}): ProviderDescription {
  const { about, settings, load } = description
  // The configuration's check follows `settings`, so that a value of `Settings` has their shape by then.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { about, settings, load: load as () => Promise<(settings: Settings) => Provider> }
}
