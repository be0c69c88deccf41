import { ConfigError } from '../core/errors.ts'
import { directories } from './directories.ts'
import type { NamedCa } from './directories.ts'
import type { RawConfig } from './schema.ts'
import { resolveSecretFiles } from './secret-files.ts'
import type { Settings } from './settings.ts'

type RawAcme = NonNullable<RawConfig['acme']>

/** The CA's settings with its directory's URL. Throws ConfigError, also when a binding is missing that the CA needs. */
export function normalizeAcme(raw: RawAcme = {}, resolvePath: (given: string) => string): Settings['acme'] {
  const { directory = 'letsencrypt', contact = [], caBundle, profile, preferredChain } = raw
  const { url, eab } = findCa(directory)
  if (eab !== undefined && raw.eab === undefined) {
    throw new ConfigError(`acme.eab is missing: ${directory} needs an external account binding`, {
      hint: [eab, 'then set acme.eab: { kid: …, hmac: { env: … } }'],
    })
  }
  return {
    directory: url,
    contact,
    eab: resolveSecretFiles(raw.eab, resolvePath) as Settings['acme']['eab'],
    caBundle: caBundle === undefined ? undefined : resolvePath(caBundle),
    profile,
    preferredChain,
  }
}

/** A CA that is given by its URL may need more than is known here; it says so when the account is registered. */
function findCa(given: string): NamedCa {
  const known = Object.hasOwn(directories, given) ? directories[given] : undefined
  if (known) return known
  if (URL.canParse(given) && new URL(given).protocol === 'https:') return { url: given }
  throw new ConfigError(
    `acme.directory "${given}" is not known: it is neither a name of ours nor an https URL`,
    { hint: `use an https URL, or one of ${Object.keys(directories).join(', ')}` },
  )
}
