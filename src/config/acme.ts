import { ConfigError } from '../core/errors.ts'
import { directories } from './directories.ts'
import type { NamedCa } from './directories.ts'
import type { RawConfig } from './schema.ts'
import { resolveSecretFiles } from './secret-files.ts'
import type { CaSettings, Settings } from './settings.ts'

type RawAcme = NonNullable<RawConfig['acme']>
type RawCa = Omit<RawAcme, 'fallback'>

interface Place {
  readonly place: string
  readonly resolvePath: (given: string) => string
}

/** The CAs in the order of their use. Throws ConfigError naming the place. */
export function normalizeAcme(raw: RawAcme = {}, resolvePath: (given: string) => string): Settings['cas'] {
  const first = normalizeCa(raw, { place: 'acme', resolvePath })
  const others = (raw.fallback ?? []).map((one, index) => {
    const contact = one.contact ?? raw.contact ?? []
    return normalizeCa({ ...one, contact }, { place: `acme.fallback[${index}]`, resolvePath })
  })
  const names = [first, ...others].map(({ name }) => name)
  refuseTwice([first, ...others])
  // Two directories of one host are told apart by their URLs.
  const called = (ca: CaSettings): CaSettings =>
    names.filter((name) => name === ca.name).length > 1 ? { ...ca, name: ca.directory } : ca
  return [called(first), ...others.map(called)]
}

/** Two accounts at one CA would share its limits and its outages. */
function refuseTwice(cas: readonly CaSettings[]): void {
  for (const [index, { directory, place }] of cas.entries()) {
    const before = cas.slice(0, index).find((one) => one.directory === directory)
    if (!before) continue
    throw new ConfigError(`${place}.directory is the same CA as ${before.place}: ${directory}`, {
      hint: 'a fallback is another CA: name one, or take it out',
    })
  }
}

/** One CA's settings with its directory's URL. Throws ConfigError, also when a binding is missing that the CA needs. */
function normalizeCa(raw: RawCa, { place, resolvePath }: Place): CaSettings {
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

const known = Object.keys(directories).join(', ')

/** A CA that is given by its URL may need more than is known here; it says so when the account is registered. */
function findCa(given: string, place: string): NamedCa {
  const named = Object.hasOwn(directories, given) ? directories[given] : undefined
  if (named) return named
  const url = URL.parse(given)
  if (url?.protocol === 'https:') {
    const same = Object.values(directories).find((one) => one.url === url.href)
    return { url: given, name: same?.name ?? url.host }
  }
  throw new ConfigError(
    `${place}.directory "${given}" is not known: it is neither a name of ours nor an https URL`,
    { hint: `use an https URL, or one of ${known}` },
  )
}
