import path from 'node:path'
import type { Certificate } from '../core/certificate.ts'
import { parseDuration } from '../core/duration.ts'
import { ConfigError } from '../core/errors.ts'
import { normalizeName } from '../core/identifier.ts'
import { endpointsFor } from '../core/serving.ts'
import { nearest } from '../core/nearest.ts'
import type { Node } from '../core/node.ts'
import { normalizeAcme } from './acme.ts'
import { normalizeNodes } from './nodes.ts'
import type { RawCertificate, RawConfig, RawState } from './schema.ts'
import { resolveSecretFiles } from './secret-files.ts'
import type { Settings, StateSettings } from './settings.ts'

export interface Place {
  readonly file: string
  readonly home: string
  /** Overrides the file's `state.folder`. */
  readonly state?: string
}

/** Fills in defaults and resolves names and paths. Throws ConfigError naming the place. */
export function normalize(raw: RawConfig, place: Place): Settings {
  const resolvePath = (given: string) => resolveFrom(place, given)
  const nodes = normalizeNodes(raw, resolvePath)
  const dns = resolveSecretFiles(raw.dns ?? {}, resolvePath) as Settings['dns']
  const names = Object.entries(raw.certificates)
  return {
    file: place.file,
    state: normalizeState(raw.state, place),
    cas: normalizeAcme(raw.acme, resolvePath),
    dns,
    resolvers: raw.resolvers ?? [],
    nodes,
    certificates: Object.fromEntries(
      names.map(([name, one]) => [name, normalizeCertificate(name, one, { nodes, dns })]),
    ),
    prune: { keep: raw.prune?.keep ?? 3 },
    rollout: {
      canary: raw.rollout?.canary ?? 1,
      waves: (raw.rollout?.waves ?? ['50%', '100%']).map((share) => Number.parseInt(share, 10) / 100),
      haltAfter: raw.rollout?.haltAfter ?? 1,
      onHalt: raw.rollout?.onHalt ?? 'stay',
      maxNodes: raw.rollout?.maxNodes,
      concurrency: raw.rollout?.concurrency ?? 8,
      settleMs: parseDuration(raw.rollout?.settle ?? '0s') ?? 0,
      deadlineMs: parseDuration(raw.rollout?.deadline ?? '30s') ?? 30_000,
    },
  }
}

function normalizeState(raw: RawState = {}, place: Place): StateSettings {
  const resolvePath = (given: string) => resolveFrom(place, given)
  return {
    folder: place.state ?? resolvePath(raw.folder ?? '/var/lib/certs'),
    encryptTo: raw.encryptTo ?? [],
    identity: resolveSecretFiles(raw.identity, resolvePath) as StateSettings['identity'],
  }
}

function resolveFrom(place: Place, given: string): string {
  const expanded = given === '~' || given.startsWith('~/') ? place.home + given.slice(1) : given
  return path.resolve(path.dirname(place.file), expanded)
}

interface Known {
  readonly nodes: Readonly<Record<string, Node>>
  readonly dns: Settings['dns']
}

/** A certificate's name is a folder name on every node: see the grammar in DESIGN of the node program. */
const certificateName = /^[a-z0-9*_][a-z0-9._-]{0,252}$/

function normalizeCertificate(name: string, raw: RawCertificate, known: Known): Certificate {
  if (!certificateName.test(name) || name.includes('..')) {
    throw new ConfigError(`certificates["${name}"]: a certificate's name is a folder name on every node`, {
      hint: 'use lower-case letters, digits, dots, dashes and underscores; put other names into names: […]',
    })
  }
  const names = [...new Set((raw.names ?? [name]).map((given) => normalizeName(given)))]
  return {
    name,
    names,
    ...chooseChallenge(name, raw, { names, dns: Object.keys(known.dns) }),
    ...chooseReaders(name, raw, known.nodes),
    key: raw.key ?? 'ecdsa-p256',
    verifyNames: raw.verifyNames ?? names.map((one) => one.replace(/^\*/, 'certs-verify')),
    probes: (raw.probes ?? []).map(({ url, status, contentType }) => ({
      url,
      status: status ?? 200,
      contentType,
    })),
  }
}

/** What `_validation-persist.` needs beyond what `_acme-challenge.` does. */
const longestPersistName = 253 - '_validation-persist.'.length

function chooseChallenge(
  certificate: string,
  { challenge = 'dns-01', dns }: RawCertificate,
  known: { readonly names: readonly string[]; readonly dns: readonly string[] },
): Pick<Certificate, 'challenge' | 'dns'> {
  if (challenge === 'dns-01') return { challenge, dns: chooseDns(certificate, dns, known.dns) }
  const where = `certificates["${certificate}"]`
  if (dns !== undefined) {
    throw new ConfigError(`${where}.dns is not used: challenge '${challenge}' writes nothing to DNS`, {
      hint: `leave out ${where}.dns, or its challenge`,
    })
  }
  const long = known.names.find((name) => name.replace(/^\*\./, '').length > longestPersistName)
  if (long !== undefined) {
    throw new ConfigError(
      `${where} can't be proved by ${challenge}: ${long} leaves no room for the record's name`,
    )
  }
  return { challenge }
}

function chooseDns(certificate: string, given: string | undefined, known: readonly string[]): string {
  if (given !== undefined && known.includes(given)) return given
  if (given !== undefined) throw unknownName(`certificates["${certificate}"].dns`, given, known)
  if (known.length === 1) return known[0]!
  throw new ConfigError(
    `certificates["${certificate}"].dns is missing: ${known.length} entries stand under dns`,
    {
      hint:
        known.length === 0
          ? 'add one under dns: { NAME: { provider: … } }'
          : `name one of ${known.join(', ')}`,
    },
  )
}

function chooseNodes(certificate: string, given: readonly string[], nodes: Known['nodes']): string[] {
  const groups = new Set(Object.values(nodes).flatMap((node) => node.groups))
  const chosen = given.flatMap((name) => {
    if (nodes[name]) return [name]
    if (groups.has(name))
      return Object.values(nodes).flatMap((node) => (node.groups.includes(name) ? [node.name] : []))
    throw unknownName(`certificates["${certificate}"].nodes`, name, [...Object.keys(nodes), ...groups])
  })
  return [...new Set(chosen)]
}

/** Its nodes, and of their services those that read it. */
function chooseReaders(
  certificate: string,
  { nodes: given = [], services }: RawCertificate,
  known: Known['nodes'],
): Pick<Certificate, 'nodes' | 'services'> {
  const nodes = chooseNodes(certificate, given, known)
  const where = `certificates["${certificate}"].services`
  if (!services) return withEndpoints({ nodes }, certificate, known)
  const theirs = [...new Set(nodes.flatMap((node) => Object.keys(known[node]!.services)))]
  const stranger = services.find((name) => !theirs.includes(name))
  if (stranger !== undefined && nodes.length > 0) throw unknownName(where, stranger, theirs)
  const without = nodes.find((node) => !services.some((name) => known[node]!.services[name]))
  if (without !== undefined) {
    const names = Object.keys(known[without]!.services).join(', ')
    throw new ConfigError(`${where} names ${services.join(', ')}, and ${without} has none of them`, {
      hint: `add one of its services (${names}), or take ${without} out of the certificate's nodes`,
    })
  }
  return withEndpoints({ nodes, services: [...new Set(services)] }, certificate, known)
}

/** What can be verified nowhere would be taken back each time. */
function withEndpoints<Readers extends Pick<Certificate, 'nodes' | 'services'>>(
  readers: Readers,
  certificate: string,
  known: Known['nodes'],
): Readers {
  const blind = readers.nodes.find((node) => endpointsFor(known[node]!, readers).length === 0)
  if (blind === undefined) return readers
  throw new ConfigError(
    `certificates["${certificate}"]: ${blind} has no endpoint at which it could be verified`,
    {
      hint: `give nodes["${blind}"], or one of its services, an endpoint`,
    },
  )
}

function unknownName(where: string, given: string, known: readonly string[]): ConfigError {
  const close = nearest(given, known)
  const hint = close ? `did you mean "${close}"?` : `known are ${known.join(', ') || 'none'}`
  return new ConfigError(`${where} names "${given}", which is not configured`, { hint })
}
