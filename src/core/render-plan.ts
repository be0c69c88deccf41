import { sayCount } from './count.ts'
import { sayInstant } from './duration.ts'
import { table } from './paint.ts'
import type { Paint } from './paint.ts'
import { hasChanges, hasProblems, isChange, notesOf, parkingOf } from './plan.ts'
import { renderIssuance } from './render-issuance.ts'
import { sayHold } from './hold.ts'
import type { CertificatePlan, NodePlan, Plan } from './plan.ts'

/** The plan as a person reads it: one block for each certificate, then one sentence. */
export function renderPlan(plan: Plan, paint: Paint): string {
  const now = new Date(plan.at)
  const shown = plan.certificates.filter(needsWords)
  const blocks = shown.map((certificate) => renderCertificate(certificate, now, paint))
  return [...blocks, sayPlan(plan)].join('\n\n')
}

/** Whether there is more to say of a certificate than that it is right. */
export function needsWords({ issuance, nodes }: CertificatePlan): boolean {
  return (
    issuance.kind === 'issue' ||
    issuance.kind === 'refuse' ||
    parkingOf(issuance) !== undefined ||
    nodes.some((node) => node.action !== 'none' || node.held || hasNotice(node))
  )
}

function hasNotice(step: NodePlan): boolean {
  return notesOf(step).length > 0
}

function renderCertificate(plan: CertificatePlan, now: Date, paint: Paint): string {
  const rows = plan.nodes.map((node) => [
    `${mark(node.action, paint)} ${node.node}`,
    sayAction(node),
    paint('dim', node.because),
  ])
  const held = plan.nodes.find((node) => node.held)?.held
  const lines = [paint('bold', plan.certificate), ...renderIssuance(plan, now, paint), ...table(rows, '  ')]
  const notes = plan.nodes.flatMap((node) => renderNotes(node, paint))
  return [...lines, ...notes, ...(held ? [`  hint: ${sayHold(plan.certificate, held)}`] : [])].join('\n')
}

function mark(action: NodePlan['action'], paint: Paint): string {
  if (action === 'none' || action === 'waiting') return paint('dim', '=')
  if (action === 'unreachable' || action === 'blocked') return paint('red', '!')
  return paint('yellow', '~')
}

/** `version 2 → 3`. */
export function sayAction({ action, from, to }: NodePlan): string {
  switch (action) {
    case 'install':
    case 'roll-back':
      return from === undefined || from === to ? `version ${to}` : `version ${from} → ${to}`
    case 'reload':
      return `reload, version ${to}`
    case 'none':
      return to === undefined ? 'nothing to do' : `version ${to}`
    case 'waiting':
      return 'waits'
    case 'unreachable':
      return 'not reached'
    case 'blocked':
      return 'blocked'
  }
}

function renderNotes(step: NodePlan, paint: Paint): string[] {
  const { node, action, drift, error } = step
  const hints = [
    ...(error?.hints ?? []),
    ...drift.flatMap((one) => (one.kind === 'blocked' && action === 'blocked' ? one.hint : [])),
  ].map((hint) => `  hint: ${node}: ${hint}`)
  const details = drift.flatMap((one) => (one.kind === 'blocked' && one.detail ? one.detail.split('\n') : []))
  const notices = notesOf(step).map((note) => `  ${paint('yellow', 'note')}: ${node}: ${note}`)
  const mends = drift.flatMap((one) => {
    if (one.kind !== 'mend' && one.kind !== 'adopt') return []
    return `  ${paint(one.kind === 'adopt' ? 'yellow' : 'dim', one.kind)}: ${node}: ${one.because}: ${one.repair}`
  })
  const blocked =
    action === 'none'
      ? drift.flatMap((one) =>
          one.kind === 'blocked' ? `  ${paint('yellow', 'note')}: ${node}: ${one.because}` : [],
        )
      : []
  return [...details.map((line) => `      ${paint('dim', line)}`), ...hints, ...mends, ...notices, ...blocked]
}

/** `Plan: 1 version to issue, 4 nodes to change: first a, then b and c.` or why there is nothing to do. */
export function sayPlan(plan: Plan): string {
  if (!hasChanges(plan)) return hasProblems(plan) ? sayStuck(plan) : sayRight(plan)
  const issue = plan.certificates.filter(({ issuance }) => issuance.kind === 'issue').length
  const steps = plan.certificates.flatMap(({ nodes }) => nodes)
  const counts = [
    sayPart(issue, 'version', 'to issue'),
    sayPart(steps.filter((step) => isChange(step) && step.action !== 'reload').length, 'node', 'to change'),
    sayPart(steps.filter(({ action }) => action === 'reload').length, 'node', 'to reload'),
    sayPart(
      steps.filter(({ action }) => action === 'unreachable' || action === 'blocked').length,
      'node',
      'left out',
    ),
  ].filter((count) => count !== '')
  const waves = plan.certificates.length === 1 ? sayWaves(plan.certificates[0]!.waves) : ''
  return `Plan: ${counts.join(', ')}${waves}.`
}

function sayWaves(waves: CertificatePlan['waves']): string {
  if (waves.length < 2) return ''
  return `: first ${waves.map((wave) => joinNames(wave)).join(', then ')}`
}

function joinNames(names: readonly string[]): string {
  if (names.length > 6) return `${names.length} nodes`
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

function sayPart(count: number, noun: string, verb: string): string {
  return count === 0 ? '' : `${sayCount(count, noun)} ${verb}`
}

function sayRight({ certificates }: Plan): string {
  const [only] = certificates
  if (certificates.length !== 1 || only?.issuance.kind !== 'keep') {
    const held = certificates.flatMap(({ nodes }) => nodes.filter((node) => node.held)).length
    const but = held === 0 ? '' : `, but for ${held} that a version is held back from`
    return `No changes. ${sayCount(certificates.length, 'certificate')} right on every node${but}.`
  }
  const { number, notAfter } = only.issuance
  const held = only.nodes.filter((node) => node.held).length
  const nodes = sayCount(only.nodes.length - held, 'node')
  const back = held === 0 ? '' : ` and held back from ${held}`
  return `No changes. ${only.certificate} is version ${number} on ${nodes}${back}, valid until ${sayInstant(notAfter)}.`
}

function sayStuck({ certificates }: Plan): string {
  const nodes = certificates
    .flatMap((one) => one.nodes)
    .filter(({ action }) => action === 'unreachable' || action === 'blocked')
  const refused = certificates.filter(({ issuance }) => issuance.kind === 'refuse').length
  const parked = certificates.filter(({ issuance }) => issuance.kind === 'keep' && issuance.parked).length
  const parts = [
    sayPart(refused, 'certificate', 'can not be issued'),
    sayPart(parked, 'certificate', 'parked'),
    sayPart(nodes.length, 'node', 'can not be changed'),
  ]
  return `Nothing can be done: ${parts.filter((part) => part !== '').join(', ')}.`
}
