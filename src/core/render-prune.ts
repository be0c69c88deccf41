import { sayCount } from './count.ts'
import { sayInstant } from './duration.ts'
import type { Paint } from './paint.ts'
import { table } from './paint.ts'
import { backupTime } from './prune.ts'
import type { NodePrune, PruneBackup, Pruned, PruneItem, PrunePlan, Staying } from './prune.ts'

/** What would go, with its reason; what looks as if it could and stays; one sentence of numbers. */
export function renderPrune(plan: PrunePlan, paint: Paint): string {
  const nodes = plan.nodes.map((node) => renderNode(node, paint)).filter((text) => text !== '')
  return [...nodes, sayPrune(plan)].join('\n\n')
}

function renderNode(prune: NodePrune, paint: Paint): string {
  const { node, items, stays, refused, unfinished, error } = prune
  const lines = [
    ...(error ? [`  ${paint('red', error.message)}`, ...error.hints.map((hint) => `      → ${hint}`)] : []),
    ...(refused ? [`  ${paint('yellow', `nothing goes: ${refused.because}`)}`] : []),
    ...(refused?.hints ?? []).map((hint) => `      → ${hint}`),
    ...unfinished.map(
      (id) => `  a run was cut off here: what backup ${id} took is put back before anything else`,
    ),
    ...items.flatMap((item) => renderItem(item, paint)),
    ...stays.flatMap(renderStaying),
  ]
  return lines.length === 0 ? '' : [paint('bold', node), ...lines].join('\n')
}

function renderItem(item: PruneItem, paint: Paint): string[] {
  const { label, what, because, notes, entries } = item
  const files = entries.filter(({ type }) => type === 'file' || type === 'link')
  const renewed = files.some(({ path }) => path.includes('/renewal/')) ? ', with its renewal' : ''
  const more = item.target.is === 'lineage' ? ` (${sayCount(files.length, 'file')}${renewed})` : ''
  return [
    `  ${paint('red', `- ${label}`)}${more}: ${what}`,
    `      because ${because}, and no other configuration or process names it`,
    ...notes.map((note) => `      ${paint('yellow', note)}`),
  ]
}

function renderStaying({ label, what, because, hints }: Staying): string[] {
  const of = what === undefined ? '' : ` (${what})`
  return [`  = ${label}${of} stays: ${because}`, ...hints.map((hint) => `      → ${hint}`)]
}

export function countItems({ nodes }: PrunePlan): number {
  return nodes.reduce((sum, { items }) => sum + items.length, 0)
}

export function sayPrune(plan: PrunePlan): string {
  const { nodes, keep } = plan
  const going = nodes.filter(({ items }) => items.length > 0)
  const files = going
    .flatMap(({ items }) => items.flatMap(({ entries }) => entries))
    .filter(({ type }) => type === 'file' || type === 'link').length
  const stays = nodes.reduce((sum, node) => sum + node.stays.length, 0)
  const unseen = nodes.filter(({ error, refused }) => error ?? refused).length
  const rest = [
    ...(stays === 0 ? [] : [`${stays} ${stays === 1 ? 'stays' : 'stay'} for a reason`]),
    ...(unseen === 0 ? [] : [`of ${sayCount(unseen, 'node')} not enough is known`]),
  ]
  const said = rest.length === 0 ? '' : `; ${rest.join('; ')}`
  const older =
    keep === 1 ? 'only the live version stays' : `the live version and up to ${keep - 1} before it stay`
  const kept = `of each lineage ${older}`
  if (going.length === 0) return `Nothing to prune: ${kept}${said}.`
  const what = `${sayCount(countItems(plan), 'thing')} of no use (${sayCount(files, 'file')}) on ${sayCount(going.length, 'node')}`
  return `${what}, to go into a backup on the same node${said}; ${kept}.`
}

/** What each node did, and how to bring it back. */
export function renderPruned(results: readonly Pruned[], paint: Paint): string {
  return results.flatMap((one) => renderResult(one, paint)).join('\n')
}

function renderResult({ node, backup, gone, kept, error }: Pruned, paint: Paint): string[] {
  const left = kept.map(({ label, because }) => `  = ${label} stayed: ${because}`)
  if (error) return [`${node}: ${paint('red', 'failed')}, see below`, ...left]
  if (backup === undefined) return [`${node}: nothing went.`, ...left]
  return [
    `${node}: ${gone.length} went into backup ${backup}.`,
    ...left,
    `  to bring all of it back: certs prune --restore ${backup} --node ${node}`,
  ]
}

/** The backups of all nodes, oldest first. */
export function renderBackups(backups: readonly PruneBackup[], paint: Paint): string {
  if (backups.length === 0) return 'There are no backups.'
  const header = ['NODE', 'BACKUP', 'MADE', 'FILES', 'SIZE', ''].map((cell) => paint('dim', cell))
  const rows = backups.map(({ node, id, unfinished, files, bytes }) => {
    const made = backupTime(id)
    return [
      node,
      id,
      made === undefined ? 'not known' : sayInstant(made),
      String(files),
      `${Math.ceil(bytes / 1024)} kB`,
      unfinished ? paint('red', 'a run was cut off: the next certs prune --apply puts it back') : '',
    ]
  })
  return table([header, ...rows]).join('\n')
}
