import type { Audit, FoundEverywhere } from './audit.ts'
import { sayNames } from './audit-finding.ts'
import type { Finding } from './audit-finding.ts'
import { sayInstant, sayValidity } from './duration.ts'
import { codeSpan, escapeMarkdown, renderMarkdownTable } from './markdown.ts'
import {
  foreignHints,
  foreignTitle,
  sayAudit,
  sayForeignNames,
  sayHolds,
  sayOn,
  sayReadBy,
  sayWhere,
} from './render-audit.ts'

/** The same for a ticket, as GitHub-flavoured Markdown: a list to tick off, then what was found where. */
export function renderAuditMarkdown(audit: Audit): string {
  const names = renderMarkdownTable(['Name', 'Leads', 'Said by'], sayForeignNames(audit.names))
  return [
    `### certs audit, ${sayInstant(audit.at)}`,
    `**${escapeMarkdown(sayAudit(audit))}**`,
    ...(['wrong', 'tidy'] as const).flatMap((level) => renderLevel(audit.findings, level)),
    ...(names === ''
      ? []
      : [`#### ${foreignTitle}`, names, foreignHints.map((hint) => `- ${escapeMarkdown(hint)}`).join('\n')]),
    ...audit.certificates.map((one) => renderCertificate(one, new Date(audit.at))),
  ].join('\n\n')
}

function renderLevel(findings: readonly Finding[], level: Finding['level']): string[] {
  const some = findings.filter((finding) => finding.level === level)
  if (some.length === 0) return []
  return [level === 'wrong' ? '#### To do now' : '#### To tidy up', some.map(renderFinding).join('\n')]
}

function renderFinding(finding: Finding): string {
  const where = finding.where.map(({ node, what }) => `  - ${escapeMarkdown(`${node}: ${what}`)}`)
  const next = [
    ...finding.hints.map((hint) => `  - → ${codeSpan(hint)}`),
    ...finding.commands.map((command) => `  - → ${escapeMarkdown(sayOn(finding))}: ${codeSpan(command)}`),
  ]
  return [`- [ ] ${escapeMarkdown(finding.message)}`, ...where, ...next].join('\n')
}

function renderCertificate(one: FoundEverywhere, now: Date): string {
  const rows = one.places.map((place) => [place.node, sayHolds(place), sayWhere(place), sayReadBy(place)])
  return [
    `#### ${escapeMarkdown(sayNames(one))}`,
    escapeMarkdown(
      `by ${one.issuer}, ${sayValidity(one.notAfter, now)}, ${one.keyType}, SHA-256 ${one.fingerprint}`,
    ),
    renderMarkdownTable(['Node', 'Holds', 'Where', 'Read by'], rows),
  ].join('\n\n')
}
