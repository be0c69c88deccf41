import { sayInstant } from './duration.ts'
import type { ErrorFacts } from './errors.ts'
import { codeSpan, escapeMarkdown, fenceFor, renderMarkdownTable } from './markdown.ts'
import { plainPaint } from './paint.ts'
import { problemsOf } from './plan-problems.ts'
import type { CertificatePlan, NodePlan, Plan } from './plan.ts'
import { printable } from './printable.ts'
import { renderIssuance } from './render-issuance.ts'
import { needsWords, sayAction, sayPlan } from './render-plan.ts'

export interface PlanMarkdownOptions {
  /** What only a person may decide. */
  readonly unsafe?: ErrorFacts | undefined
  /** Where the plan is saved. */
  readonly file?: string | undefined
}

/**
 * The plan for a pull request or a ticket, as GitHub-flavoured Markdown. What nodes, CAs and certificates said stands
 * in it as plain text: it makes no link, no mention, no HTML and no table cell.
 */
export function renderPlanMarkdown(plan: Plan, { unsafe, file }: PlanMarkdownOptions = {}): string {
  const problems = problemsOf(plan)
  return [
    `### certs plan, ${sayInstant(plan.at)}`,
    `**${escapeMarkdown(sayPlan(plan))}**`,
    ...(unsafe ? [renderError(unsafe, 'Refused')] : []),
    ...plan.certificates.filter(needsWords).map((one) => renderCertificate(one, new Date(plan.at))),
    ...problems.map((problem) => renderError(problem, 'Not right')),
    ...(file === undefined ? [] : [`To do just this: ${codeSpan(`certs apply --plan ${file}`)}`]),
  ].join('\n\n')
}

function renderCertificate(plan: CertificatePlan, now: Date): string {
  // The problems of a refusal are told at the end.
  const issuance = renderIssuance(plan, now, plainPaint).slice(
    0,
    plan.issuance.kind === 'refuse' ? 1 : undefined,
  )
  const notes = plan.nodes.flatMap(linesOf)
  const list = [...issuance, ...notes].map(
    (line) => `- ${escapeMarkdown(line.replace(/^ *([-+=~!] )?/, ''))}`,
  )
  const rows = plan.nodes.map((node) => [node.node, sayAction(node), node.because])
  return [
    `#### ${escapeMarkdown(plan.certificate)}`,
    list.join('\n'),
    renderMarkdownTable(['Node', 'Change', 'Because'], rows),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

function linesOf({ node, drift }: NodePlan): string[] {
  return drift.flatMap((one) => {
    if (one.kind === 'notice') return `note: ${node}: ${one.because}`
    return one.kind === 'mend' || one.kind === 'adopt'
      ? `${one.kind}: ${node}: ${one.because}: ${one.repair}`
      : []
  })
}

function renderError({ message, detail, hints }: ErrorFacts, what: string): string {
  const words = printable(detail ?? '')
  const fence = fenceFor(words, 3)
  const block = words === '' ? [] : ['', fence, ...words.split('\n'), fence]
  const list = hints.length === 0 ? [] : ['', ...hints.map((hint) => `- ${codeSpan(hint)}`)]
  const lines = [`**${what}:** ${escapeMarkdown(message)}`, ...block, ...list]
  return lines.map((line) => `> ${line}`.trimEnd()).join('\n')
}
