import { sayInstant } from './duration.ts'
import { escapeMarkdown, renderMarkdownTable } from './markdown.ts'
import { sayPrune } from './render-prune.ts'
import type { PrunePlan } from './prune.ts'

/** The same for a ticket, as GitHub-flavoured Markdown. */
export function renderPruneMarkdown(plan: PrunePlan): string {
  const goes = plan.nodes.flatMap(({ node, items }) =>
    items.map(({ label, what, because, notes }) => [node, label, what, [because, ...notes].join('; ')]),
  )
  const stays = plan.nodes.flatMap(({ node, stays: some, refused, error }) => [
    ...some.map(({ label, what, because }) => [node, label, what ?? '', because]),
    ...(refused ? [[node, 'everything', '', refused.because]] : []),
    ...(error ? [[node, 'everything', '', error.message]] : []),
  ])
  const header = ['Node', 'Where', 'What', 'Because']
  return [
    `### certs prune, ${sayInstant(plan.at)}`,
    `**${escapeMarkdown(sayPrune(plan))}**`,
    ...(goes.length === 0 ? [] : ['#### Goes', renderMarkdownTable(header, goes)]),
    ...(stays.length === 0 ? [] : ['#### Stays', renderMarkdownTable(header, stays)]),
  ].join('\n\n')
}
