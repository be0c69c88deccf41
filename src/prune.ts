import { forget, listBackups, mend, prune as pruneNode, restore, weigh } from '../deploy/prune.ts'
import type { App } from './app.ts'
import { atMost, nodesAtOnce } from './core/at-most.ts'
import { lookInto, usualFolders } from './audit.ts'
import { viewAll } from './core/audit.ts'
import { CertsError, errorFacts } from './core/errors.ts'
import type { ErrorFacts } from './core/errors.ts'
import type { Node } from './core/node.ts'
import { planNodePrune, unseenPrune } from './core/plan-prune.ts'
import { findCandidates } from './core/prune-candidates.ts'
import type { PruneWishes, StoredLeaves } from './core/prune-candidates.ts'
import { backupId } from './core/prune.ts'
import type { NodePrune, PruneBackup, Pruned, PrunePlan } from './core/prune.ts'
import { record, recordAll } from './record.ts'
import { recallStored } from './stored.ts'

export interface PruneScope extends PruneWishes {
  /** As they are logged in to for this. */
  readonly nodes: readonly Node[]
  readonly folders: readonly string[]
}

/** Looks at these nodes and says what could go. Changes nothing. */
export async function preparePrune(app: App, scope: PruneScope): Promise<PrunePlan> {
  const { settings, io } = app
  const folders = [...new Set([...usualFolders, ...scope.folders])]
  const inTurn = atMost(nodesAtOnce)
  const [seen, stored] = await Promise.all([
    Promise.all(scope.nodes.map((node) => inTurn(() => lookInto(app, node, folders)))),
    leavesStored(app),
  ])
  const views = viewAll(seen, Object.values(settings.certificates))
  const fleet = { views, now: io.now() }
  const nodes = await Promise.all(
    seen.map(async (one, index): Promise<NodePrune> => {
      if ('error' in one) return unseenPrune(one.node, one.error)
      const view = views.find(({ node }) => node === one.node)!
      const found = findCandidates({ ...scope, view, fleet, stored })
      const node = scope.nodes[index]!
      try {
        const { candidates } = found
        const asked = { candidates, signal: io.signal }
        const weighed = await inTurn(async () => weigh(await app.fleet.shell(node), node, asked))
        return planNodePrune(one.node, found, weighed)
      } catch (error) {
        return unseenPrune(one.node, factsOf(error))
      }
    }),
  )
  return { at: io.now().toISOString(), keep: scope.keep, nodes }
}

async function leavesStored(app: App): Promise<StoredLeaves> {
  const certificates = Object.values(app.settings.certificates)
  const recall = await recallStored(app, { certificates, history: true })
  const all = await Promise.all(
    certificates.map(async (certificate) => (await recall(certificate)).versions.map(({ leaf }) => leaf)),
  )
  return {
    fingerprints: new Set(all.flat().map(({ fingerprint }) => fingerprint)),
    newest: all.flatMap((leaves) => leaves.at(-1) ?? []),
  }
}

/** Puts back what a run that was cut off had taken, where the plan saw such; true when there was any. */
export async function mendFirst(app: App, nodes: readonly Node[], plan: PrunePlan): Promise<boolean> {
  const cut = plan.nodes.filter(({ unfinished }) => unfinished.length > 0)
  for (const { node: name, unfinished } of cut) {
    const node = nodes.find((one) => one.name === name)!
    const facts = { backup: unfinished.join(', ') }
    await record(
      app,
      { node: name, action: 'prune-restore', because: 'a run was cut off', facts },
      async () => {
        await mend(await app.fleet.shell(node), node, { signal: app.io.signal })
        return { done: undefined, facts }
      },
    )
  }
  return cut.length > 0
}

/** Node after node; when one fails, no other is begun. Each item has its two lines in the journal. */
export async function carryOutPrune(app: App, nodes: readonly Node[], plan: PrunePlan): Promise<Pruned[]> {
  const results: Pruned[] = []
  for (const prune of plan.nodes.filter(({ items }) => items.length > 0)) {
    if (app.io.signal.aborted || results.some(({ error }) => error)) {
      const because = app.io.signal.aborted ? 'the run was told to end' : 'another node failed before it'
      const kept = prune.items.map(({ label }) => ({ label, because }))
      results.push({ node: prune.node, gone: [], kept })
      continue
    }
    const node = nodes.find(({ name }) => name === prune.node)!
    results.push(await pruneOne(app, node, prune))
  }
  return results
}

async function pruneOne(app: App, node: Node, { items }: NodePrune): Promise<Pruned> {
  const backup = backupId(app.run)
  const lines = items.map(({ target, label, what, because }) => ({
    node: node.name,
    ...(target.is === 'files' ? {} : { certificate: target.name }),
    action: 'prune',
    because,
    facts: { what: `${label} (${what})`, backup },
  }))
  try {
    return await recordAll(app, lines, async () => {
      const answer = await pruneNode(await app.fleet.shell(node), node, { items, backup })
      const kept = answer.kept.map(({ item, because }) => ({ label: items[item]!.label, because }))
      const ends = items.map((_, index) =>
        answer.gone.includes(index)
          ? { facts: {} }
          : `it stayed: ${answer.kept.find(({ item }) => item === index)?.because ?? 'not known why'}`,
      )
      const gone = answer.gone.map((index) => items[index]!.label)
      const made = answer.backup === undefined ? {} : { backup: answer.backup }
      return { done: { node: node.name, ...made, gone, kept }, ends }
    })
  } catch (error) {
    return { node: node.name, gone: [], kept: [], error: factsOf(error) }
  }
}

export interface BackupsSeen {
  readonly backups: readonly PruneBackup[]
  readonly unseen: readonly { readonly node: string; readonly error: ErrorFacts }[]
}

/** The backups on these nodes, oldest first, and which nodes could not be asked. */
export async function findBackups(app: App, nodes: readonly Node[]): Promise<BackupsSeen> {
  const inTurn = atMost(nodesAtOnce)
  const ask = async (node: Node) => {
    app.emit({ kind: 'node-connecting', node: node.name })
    return listBackups(await app.fleet.shell(node), node, { signal: app.io.signal })
  }
  const seen = await Promise.all(
    nodes.map(async (node) => {
      try {
        return { backups: await inTurn(() => ask(node)), unseen: [] }
      } catch (error) {
        return { backups: [], unseen: [{ node: node.name, error: factsOf(error) }] }
      }
    }),
  )
  return {
    backups: seen
      .flatMap(({ backups }) => backups)
      .toSorted((one, other) => (one.id === other.id ? 0 : one.id < other.id ? -1 : 1)),
    unseen: seen.flatMap(({ unseen }) => unseen),
  }
}

/** Brings a backup back to where it was; returns the number of files. Throws NodeError. */
export async function restoreBackup(app: App, node: Node, backup: string): Promise<number> {
  return record(app, { node: node.name, action: 'prune-restore', facts: { backup } }, async () => {
    const files = await restore(await app.fleet.shell(node), node, { backup })
    return { done: files, facts: { backup, files } }
  })
}

/** Removes a backup for good. Throws NodeError. */
export async function discardBackup(app: App, node: Node, backup: string): Promise<void> {
  await record(app, { node: node.name, action: 'prune-discard', facts: { backup } }, async () => {
    await forget(await app.fleet.shell(node), node, { backup })
    return { done: undefined, facts: { backup } }
  })
}

function factsOf(error: unknown): ErrorFacts {
  if (!(error instanceof CertsError)) throw error
  return errorFacts(error)
}
