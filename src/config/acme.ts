import { ConfigError } from '../core/errors.ts'
import { directories } from './directories.ts'
import type { NamedCa } from './directories.ts'
import type { RawConfig } from './schema.ts'
import { resolveSecretFiles } from './secret-files.ts'
import type { CaSettings, Settings } from './settings.ts'

type RawAcme = NonNullable<RawConfig['acme']>

interface Place {
  readonly place: string
  readonly resolvePath: (given: string) => string
}

/** The CAs in the order of their use. Throws ConfigError naming the place. */
export function normalizeAcme(raw: RawAcme = {}, resolvePath: (given: string) => string): Settings['cas'] {
  return [normalizeCa(raw, { place: 'acme', resolvePath })]
}

/** One CA's settings with its directory's URL. Throws ConfigError, also when a binding is missing that the CA needs. */
function normalizeCa(raw: RawAcme, { place, resolvePath }: Place): CaSettings {
  const { directory = 'letsencrypt', contact = [], caBundle, profile, preferredChain } = raw
  const { url, eab, name } = findCa(directory, place)
  if (eab !== undefined && raw.eab === undefined) {
    throw new ConfigError(`${place}.eab is missing: ${directory} needs an external account binding`, {
      hint: [eab, `then set ${place}.eab: { kid: …, hmac: { env: … } }`],
    })
  }
  return {
    name,
    place,
    directory: url,
    contact,
    eab: resolveSecretFiles(raw.eab, resolvePath) as CaSettings['eab'],
    caBundle: caBundle === undefined ? undefined : resolvePath(caBundle),
    profile,
    preferredChain,
  }
}

/** A CA that is given by its URL may need more than is known here; it says so when the account is registered. */
function findCa(given: string, place: string): NamedCa {
  const known = Object.hasOwn(directories, given) ? directories[given] : undefined
  if (known) return known
  const url = URL.parse(given)
  if (url?.protocol === 'https:') {
    const same = Object.values(directories).find((one) => one.url === url.href)
    return { url: given, name: same?.name ?? url.host }
  }
  throw new ConfigError(
    `${place}.directory "${given}" is not known: it is neither a name of ours nor an https URL`,
    { hint: `use an https URL, or one of ${Object.keys(directories).join(', ')}` },
  )
}
