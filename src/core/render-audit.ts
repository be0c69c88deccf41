import type { Audit, FoundEverywhere, FoundPlace } from './audit.ts'
import { needsPerson } from './audit.ts'
import { sayNames } from './audit-finding.ts'
import type { Finding } from './audit-finding.ts'
import type { NameFinding } from './audit-names.ts'
import { sayCount } from './count.ts'
import { sayValidity } from './duration.ts'
import { table } from './paint.ts'
import type { Paint } from './paint.ts'

/** What is where, which names lead elsewhere, and last, next to the prompt, what to do, most urgent first. */
export function renderAudit(audit: Audit, paint: Paint): string {
  const now = new Date(audit.at)
  const names = sayForeignNames(audit.names)
  return [
    ...audit.certificates.map((one) => renderCertificate(one, now, paint)),
    ...(names.length === 0
      ? []
      : [
          [
            paint('bold', foreignTitle),
            ...table(names, '  '),
            ...foreignHints.map((hint) => `     → ${hint}`),
          ].join('\n'),
        ]),
    ...renderFindings(audit.findings, paint),
    sayAudit(audit),
  ].join('\n\n')
}

function renderCertificate(one: FoundEverywhere, now: Date, paint: Paint): string {
  const validity = sayValidity(one.notAfter, now)
  const expired = Date.parse(one.notAfter) <= now.getTime()
  const head = [
    paint('bold', sayNames(one)),
    `by ${one.issuer}, ${expired ? paint('red', validity) : validity}`,
    `${one.keyType}, SHA-256 ${one.fingerprint.slice(0, 16)}…`,
  ].join(', ')
  const header = ['NODE', 'HOLDS', 'WHERE', 'READ BY'].map((cell) => paint('dim', cell))
  const rows = one.places.map((place) => [place.node, sayHolds(place), sayWhere(place), sayReadBy(place)])
  return [head, ...table([header, ...rows], '  ')].join('\n')
}

export function sayHolds({ holds, keyMode }: FoundPlace): string {
  const key = keyMode === undefined ? '' : ` (${keyMode})`
  return holds === 'both' ? `both${key}` : `${holds}${key}`
}

export function sayWhere({ label, live, links }: FoundPlace): string {
  const said = live ? label.replace(/\)$/, ', live)') : label
  const others = links.filter((link) => !live || !link.includes('/live/'))
  return others.length === 0 ? said : `${said}, linked from ${others.join(', ')}`
}

export function sayReadBy({ readBy }: FoundPlace): string {
  return readBy.length === 0 ? '-' : readBy.join(', ')
}

export const foreignTitle = 'Names that lead elsewhere, or nowhere'
export const foreignHints: readonly string[] = [
  'where they are gone for good, take their servers away, and leave them out of new certificates',
  "where the address is the fleet's after all (a load balancer): certs audit --address ADDRESS",
]

/** Name, where it leads, who says it: for each name that does not lead here, or not only here. */
export function sayForeignNames(names: readonly NameFinding[]): string[][] {
  return names.flatMap((name) => {
    const said = sayLead(name)
    return said === undefined ? [] : [[name.name, said, sayPlaces(name)]]
  })
}

function sayLead({ leads, addresses, alias, error }: NameFinding): string | undefined {
  const by = alias === undefined ? '' : ` by ${alias}`
  const list =
    addresses.length > 3
      ? `${addresses.slice(0, 3).join(', ')} and ${addresses.length - 3} more`
      : addresses.join(', ')
  switch (leads) {
    case 'here':
      return undefined
    case 'partly':
      return `leads here, and to ${list}${by}`
    case 'elsewhere':
      return `leads to ${list}${by}`
    case 'nowhere':
      return `leads nowhere${alias === undefined ? '' : `: no address at ${alias}`}`
    case 'unknown':
      return `not known: ${error}`
  }
}

function sayPlaces({ at }: NameFinding): string {
  const places = [...Map.groupBy(at, ({ what }) => what)]
  return places
    .map(([what, on]) => (on[0]?.node ? `${on.map(({ node }) => node).join(', ')}: ${what}` : what))
    .join('; ')
}

const titles = { wrong: 'To do now', tidy: 'To tidy up' } as const

function renderFindings(findings: readonly Finding[], paint: Paint): string[] {
  const numbered = findings.map((finding, index) => ({ finding, number: index + 1 }))
  return (['wrong', 'tidy'] as const).flatMap((level) => {
    const some = numbered.filter(({ finding }) => finding.level === level)
    if (some.length === 0) return []
    const title = paint('bold', titles[level])
    return [
      [title, ...some.flatMap(({ finding, number }) => renderFinding(finding, number, paint))].join('\n'),
    ]
  })
}

function renderFinding(finding: Finding, number: number, paint: Paint): string[] {
  const mark = `${number}.`.padStart(4)
  return [
    `${mark} ${paint(finding.level === 'wrong' ? 'red' : 'yellow', finding.message)}`,
    ...table(
      finding.where.map(({ node, what }) => [node, what]),
      '       ',
    ),
    ...sayNext(finding).map((line) => `     → ${line}`),
  ]
}

function sayNext(finding: Finding): string[] {
  const on = sayOn(finding)
  return [...finding.hints, ...finding.commands.map((command) => `${on}: ${command}`)]
}

/** Where its commands are to be run. */
export function sayOn({ where }: Finding): string {
  const nodes = [...new Set(where.map(({ node }) => node))]
  return `${nodes.length === 1 ? `on ${nodes[0]}` : 'on each'}, as root`
}

/** One sentence of numbers. */
export function sayAudit(audit: Audit): string {
  const { nodes, certificates, names, findings } = audit
  const seen = nodes.filter(({ error }) => !error).length
  const places = certificates.reduce((sum, one) => sum + one.places.length, 0)
  const away = names.filter(({ leads }) => leads === 'elsewhere' || leads === 'nowhere').length
  const now = findings.filter(({ level }) => level === 'wrong').length
  const looked =
    seen === nodes.length ? sayCount(seen, 'node') : `${seen} of ${sayCount(nodes.length, 'node')}`
  const what = `${looked}, ${sayCount(certificates.length, 'certificate')} in ${sayCount(places, 'place')}, ${sayCount(names.length, 'name')}${away === 0 ? '' : ` (${away} not here)`}`
  const tidy = findings.length - now
  if (findings.length === 0 && away === 0) return `${what}: nothing to do.`
  const parts = [
    now === 0 ? 'nothing to do now' : `${now} to do now`,
    ...(tidy === 0 ? [] : [`${tidy} to tidy up`]),
  ]
  return `${what}: ${parts.join(', ')}.${needsPerson(audit) ? '' : ' Nothing is wrong.'}`
}
