import { leafOf } from './drift.ts'
import { sayValidity } from './duration.ts'
import type { ErrorFacts } from './errors.ts'
import { sayHold } from './hold.ts'
import type { Served } from './node.ts'
import { table } from './paint.ts'
import type { Paint } from './paint.ts'
import type { NodeObservation, Observed } from './observed.ts'
import { notesOf, parkingOf } from './plan.ts'
import type { CertificatePlan, NodePlan, Plan } from './plan.ts'
import { sayParking } from './say-parking.ts'

/** What every node serves and holds, and whether that is right: one table for each certificate. */
export function renderStatus(plan: Plan, observed: Observed, paint: Paint): string {
  return plan.certificates.map((certificate) => renderCertificate(certificate, observed, paint)).join('\n\n')
}

function renderCertificate(
  { certificate, issuance, nodes }: CertificatePlan,
  observed: Observed,
  paint: Paint,
): string {
  const header = ['NODE', 'LIVE', 'SERVES', 'STATE'].map((cell) => paint('dim', cell))
  const rows = nodes.map((step) => {
    const { node, from, action, because, held } = step
    const seen = observed.nodes[node]
    const services = Object.keys(seen?.inspection?.services ?? {})
    const right = action === 'none'
    const state = held
      ? paint('yellow', `held: ${because}`)
      : right
        ? paint('green', 'right')
        : paint('red', sayState(step, services))
    return [
      node,
      from === undefined ? '-' : `version ${from}`,
      sayServed(seen, certificate, observed.now),
      state,
    ]
  })
  const stored = observed.certificates[certificate]?.versions.at(-1)
  const head = stored
    ? `version ${stored.number} is stored, ${sayIssuer(observed, certificate)}${sayValidity(stored.leaf.notAfter, observed.now)}`
    : 'no version is stored here'
  const due = stored && issuance.kind === 'issue' ? `; a new version is due, because ${issuance.because}` : ''
  const parked = parkingOf(issuance)
  const hints = [
    ...(parked ? sayLines(sayParking(certificate, parked)) : []),
    ...nodes.flatMap(({ held }) => (held ? `hint: ${sayHold(certificate, held)}` : [])).slice(0, 1),
    ...nodes.flatMap((node) =>
      notesOf(node).map((note) => `${paint('yellow', 'note')}: ${node.node}: ${note}`),
    ),
  ].map((line) => `  ${line}`)
  return [`${paint('bold', certificate)}: ${head}${due}`, ...table([header, ...rows], '  '), ...hints].join(
    '\n',
  )
}

/** Where several CAs are configured. */
function sayIssuer({ cas, certificates }: Observed, certificate: string): string {
  const directory = certificates[certificate]?.issuedBy
  if (cas.length === 1 || directory === undefined) return ''
  const name = cas.find((ca) => ca.directory === directory)?.name ?? `${directory}, which is not configured`
  return `issued by ${name}, `
}

function sayLines({ message, hints }: ErrorFacts): string[] {
  return [message, ...hints.map((hint) => `hint: ${hint}`)]
}

function sayState({ action, because }: NodePlan, services: readonly string[]): string {
  if (action === 'unreachable' || action === 'blocked') return because
  if (action === 'waiting') return 'waits for a version'
  if (action !== 'reload') return 'to be changed'
  return services.length === 1
    ? `${services[0]} has not read its files`
    : 'its files have not been read everywhere'
}

function sayServed(seen: NodeObservation | undefined, certificate: string, now: Date): string {
  const answers = seen?.served[certificate] ?? []
  const lineage = seen?.inspection?.lineages[certificate]
  const onDisk = lineage && leafOf(lineage)?.fingerprint
  const said = answers.map((answer) => sayAnswer(answer, { onDisk, now }))
  return [...new Set(said)].join('; ') || 'not asked'
}

function sayAnswer(
  { leaf, error }: Served,
  { onDisk, now }: { onDisk: string | undefined; now: Date },
): string {
  if (!leaf) return error ?? 'no certificate'
  const which = leaf.fingerprint === onDisk ? '' : `another certificate by ${leaf.issuer}, `
  return `${which}${sayValidity(leaf.notAfter, now)}`
}
