import { archiveKinds, fileKinds } from '../../src/core/certificate.ts'
import type { ArchiveKind, Certificate, FileKind, Leaf } from '../../src/core/certificate.ts'
import type { Folder, Inspection, Lineage, LiveEntry, Served, ServiceState } from '../../src/core/node.ts'
import type { NodeObservation, Observed, OrderUnderWay } from '../../src/core/observed.ts'
import type { VersionFacts } from '../../src/core/version.ts'
import type { RolloutSettings } from '../../src/core/waves.ts'

/** Plain data for tests of decisions: the fleet of the incident, on 2026-11-23. */
export const now = new Date('2026-11-23T12:00:00Z')
export const name = 'media.hachyderm.io'
export const cdn = ['cdn-frankfurt-1', 'cdn-fremont-1', 'sally', 'esme']
export const rollout: RolloutSettings = {
  canary: 1,
  waves: [0.5, 1],
  haltAfter: 1,
  onHalt: 'stay',
  concurrency: 8,
  settleMs: 0,
  deadlineMs: 30_000,
}

export const certificate: Certificate = {
  name,
  names: [name],
  challenge: 'dns-01',
  dns: 'home',
  nodes: cdn,
  key: 'ecdsa-p256',
  verifyNames: [name],
  probes: [],
}

export function leafOf(number: number, change: Partial<Leaf> = {}): Leaf {
  const expired = number <= 2
  return {
    fingerprint: `leaf-${number}`,
    serial: `0${number}`,
    names: [name],
    issuer: 'R10',
    notBefore: expired ? '2026-08-25T01:52:00.000Z' : '2026-11-23T11:00:00.000Z',
    notAfter: expired ? '2026-11-23T01:52:00.000Z' : '2027-02-21T11:00:00.000Z',
    keyType: 'ecdsa-p256',
    spki: `spki-${number}`,
    ...change,
  }
}

export function version(number: number, change: Partial<Leaf> = {}): VersionFacts {
  const files = Object.fromEntries(archiveKinds.map((kind) => [kind, sum(kind, number)]))
  return { number, leaf: leafOf(number, change), chain: ['issuer'], files }
}

function sum(kind: ArchiveKind, number: number): string {
  return `sha256-of-${kind}${number}`
}

export function link(kind: FileKind, number: number): LiveEntry {
  return {
    is: 'link',
    target: `../../archive/${name}/${kind}${number}.pem`,
    number,
    sha256: sum(kind, number),
  }
}

/** A lineage as certbot leaves it, with versions 1 to `live`. */
export function lineage(live: number, change: Partial<Lineage> = {}): Lineage {
  const numbers = Array.from({ length: live }, (_, index) => index + 1)
  return {
    certificate: name,
    live: Object.fromEntries(fileKinds.map((kind) => [kind, link(kind, live)])) as Lineage['live'],
    liveDirectory: 'directory',
    folders: ['.', 'live', 'archive', `live/${name}`, `archive/${name}`].map((path) => folder(path)),
    archive: numbers.flatMap((number) =>
      fileKinds.map((kind) => ({ kind, number, sha256: sum(kind, number), mode: '600', owner: 'root:root' })),
    ),
    odd: [],
    pair: 'matches',
    renewalFile: false,
    siblings: [],
    ...change,
  }
}

/** Of a service that is as it should be: nginx unless told. */
export function serviceState(change: Partial<ServiceState> = {}): ServiceState {
  const test = { command: 'nginx -t', ok: true, output: '' }
  return { unit: 'nginx', installed: true, running: true, combined: false, test, ...change }
}

export function folder(path: string, change: Partial<Folder> = {}): Folder {
  return { path, is: 'directory', mode: '700', owner: 'root:root', foreign: false, ...change }
}

export function inspection(held: Lineage, change: Partial<Inspection> = {}): Inspection {
  return {
    root: '/etc/letsencrypt',
    clock: now.toISOString(),
    system: 'Linux 6.1.0 x86_64',
    services: { nginx: serviceState() },
    reads: [],
    elsewhere: [],
    certbot: { timer: false, cron: false },
    disk: { freeBytes: 1e9, freeInodes: 1e6, writable: true },
    exchange: 'perl',
    lineages: { [name]: held },
    ...change,
  }
}

export function served(leaf: Leaf, chain: readonly string[] = ['issuer']): Served {
  return { endpoint: { address: '203.0.113.11', port: 443, via: 'direct' }, name, leaf, chain }
}

/** A node whose disk and whose nginx are at the same version. */
export function nodeAt(number: number): NodeObservation {
  return { inspection: inspection(lineage(number)), served: { [name]: [served(leafOf(number))] } }
}

export const ca = { name: 'ca.example', directory: 'https://ca.example/directory' }

export function observe(
  nodes: Readonly<Record<string, NodeObservation>>,
  versions: readonly VersionFacts[],
  change: Partial<Observed['certificates'][string]> = {},
): Observed {
  const highest = Math.max(0, ...versions.map(({ number }) => number))
  return { now, cas: [ca], nodes, certificates: { [name]: { versions, highest, challenges: [], ...change } } }
}

/** An order at the CA that is waiting to be proved. */
export function underway(number: number, change: Partial<OrderUnderWay> = {}): OrderUnderWay {
  return { number, directory: ca.directory, ordered: true, finalizing: false, ...change }
}

export function fleetAt(number: number): Record<string, NodeObservation> {
  return Object.fromEntries(cdn.map((node) => [node, nodeAt(number)]))
}
