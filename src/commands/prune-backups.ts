import type { App } from '../app.ts'
import { sayCount } from '../core/count.ts'
import { CertsError, ConfigError } from '../core/errors.ts'
import type { Node } from '../core/node.ts'
import { renderErrorFacts } from '../core/render-error.ts'
import { renderBackups } from '../core/render-prune.ts'
import { selectNodesOf } from '../core/selection.ts'
import type { Io } from '../io.ts'
import { choosePaint } from '../progress.ts'
import type { Progress } from '../progress.ts'
import { exitCode } from './command.ts'
import type { Invocation } from './command.ts'
import { confirm, mustAsk } from './confirm.ts'
import { loginFor } from './login.ts'
import { withApp } from './session.ts'
import { writeJson } from './write-json.ts'

/** What `certs prune` does with backups that there are. */
export type BackupVerb = { readonly is: 'list' } | { readonly is: 'restore' | 'discard'; readonly id: string }

/** Undefined: a plan is wanted. Throws ConfigError for wishes that exclude each other. */
export function chooseBackupVerb(invocation: Invocation): BackupVerb | undefined {
  const ids = (['restore', 'discard'] as const).flatMap((is) => {
    const id = invocation.value(is)
    return id === undefined ? [] : [{ is, id }]
  })
  const verbs: BackupVerb[] = [...(invocation.flag('backups') ? [{ is: 'list' as const }] : []), ...ids]
  if (verbs.length > 1)
    throw new ConfigError('certs prune: --backups, --restore and --discard exclude each other')
  const [verb] = verbs
  if (!verb) return undefined
  const other = (['apply', 'keep', 'orphan-keys', 'markdown', 'folder'] as const).find(
    (name) => invocation.flag(name) || invocation.value(name) !== undefined,
  )
  const besides = other === undefined ? invocation.operands[0] : `--${other}`
  const name = verb.is === 'list' ? '--backups' : `--${verb.is}`
  if (besides !== undefined) throw new ConfigError(`certs prune: ${name} and ${besides} exclude each other`)
  if ('id' in verb && !/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/.test(verb.id)) {
    throw new ConfigError(`certs prune: "${verb.id}" is no name of a backup`, {
      hint: 'certs prune --backups lists them',
    })
  }
  return verb
}

export async function runBackupVerb(verb: BackupVerb, invocation: Invocation, io: Io): Promise<number> {
  const asks = verb.is === 'discard' && mustAsk(`certs prune --discard`, invocation, io)
  return withApp(invocation, io, async (app, progress) => {
    const chosen = selectNodesOf(app.settings.nodes, invocation.values('node'))
    const nodes = chosen.map((node) => loginFor(node, invocation, io))
    if (verb.is === 'list') return list(app, { nodes, progress }, invocation)
    return onBackup(app, { ...verb, nodes, asks, progress }, invocation)
  })
}

interface Listing {
  readonly nodes: readonly Node[]
  readonly progress: Progress
}

async function list(app: App, { nodes, progress }: Listing, invocation: Invocation): Promise<number> {
  const { io } = app
  const { findBackups } = await import('../prune.ts')
  const seen = await findBackups(app, nodes)
  progress.clear()
  const text = invocation.flag('json')
    ? JSON.stringify(seen, null, 2)
    : renderBackups(seen.backups, choosePaint(io, io.stdout))
  io.stdout.write(`${text}\n`)
  for (const { error } of seen.unseen) io.stderr.write(renderErrorFacts(error))
  return seen.unseen.length > 0 ? exitCode.failed : exitCode.done
}

interface OnBackup extends Listing {
  readonly is: 'restore' | 'discard'
  readonly id: string
  readonly asks: boolean
}

async function onBackup(
  app: App,
  { is, id, nodes, asks, progress }: OnBackup,
  invocation: Invocation,
): Promise<number> {
  const { io } = app
  const { findBackups, restoreBackup, discardBackup } = await import('../prune.ts')
  await using _lock = await app.lock()
  const { backups, unseen } = await findBackups(app, nodes)
  const chosen = backups.filter((backup) => backup.id === id)
  progress.clear()
  for (const { error } of unseen) io.stderr.write(renderErrorFacts(error))
  if (chosen.length === 0) throw noBackup(id, nodes)
  if (asks) {
    const where = chosen.map(({ node, files }) => `${node} (${sayCount(files, 'file')})`).join(', ')
    io.stdout.write(`Removes backup ${id} for good: ${where}. Keys that are nowhere else are gone then.\n`)
    if (!(await confirm('Do this?', io))) {
      io.stdout.write('Nothing was changed.\n')
      return exitCode.failed
    }
  }
  const done: { readonly node: string; readonly files: number }[] = []
  for (const backup of chosen) {
    const node = nodes.find(({ name }) => name === backup.node)!
    if (is === 'discard') await discardBackup(app, node, id)
    const files = is === 'restore' ? await restoreBackup(app, node, id) : backup.files
    done.push({ node: node.name, files })
    if (invocation.flag('json')) continue
    const what = is === 'restore' ? 'are back where they were' : 'are gone for good'
    io.stdout.write(`${node.name}: ${sayCount(files, 'file')} of backup ${id} ${what}.\n`)
  }
  if (invocation.flag('json'))
    writeJson(io, { backup: id, [is === 'restore' ? 'restored' : 'discarded']: done })
  return unseen.length > 0 ? exitCode.failed : exitCode.done
}

function noBackup(id: string, nodes: readonly Node[]): CertsError {
  const where = nodes.length === 1 ? nodes[0]!.name : `these ${nodes.length} nodes`
  return new CertsError(`there is no backup ${id} on ${where}`, { hint: 'certs prune --backups lists them' })
}
