import type { App } from '../app.ts'
import { ConfigError } from '../core/errors.ts'
import type { Pruned, PrunePlan } from '../core/prune.ts'
import { renderErrorFacts } from '../core/render-error.ts'
import { countItems, renderPrune, renderPruned } from '../core/render-prune.ts'
import { selectNodesOf } from '../core/selection.ts'
import type { Io } from '../io.ts'
import { choosePaint } from '../progress.ts'
import type { Progress } from '../progress.ts'
import type { PruneScope } from '../prune.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command, Invocation } from './command.ts'
import { confirm, mustAsk } from './confirm.ts'
import { readFolders } from './folders.ts'
import { loginFor, loginOptions } from './login.ts'
import { chooseBackupVerb, runBackupVerb } from './prune-backups.ts'
import { withApp } from './session.ts'
import { writeJson } from './write-json.ts'

export const command: Command = {
  help: `certs prune [NAME…] — move what nobody uses any more into a backup on its node

Looks into every node as certs audit does, and says what is of no use there: old versions,
all but the live one and those before it that are kept; lineages and files that nothing in
nginx reads; copies of what is read by another path. Of each it asks the node whether any
other configuration, script or process names it; then it stays, and the plan says who does.
With a NAME, only lineages of that name and certificates for it.

Without --apply nothing is changed. With it, it looks again, asks, and moves just what it
showed into paths.root/pruned on the same node, readable by root alone; no key leaves its
node. Every service there is tested afterwards; if one fails, everything is put back.

Options
  --apply              do it
  --yes                do it without a question
  --keep N             versions of a lineage that stay, the live one among them (default:
                       prune.keep of the configuration, 3)
  --orphan-keys        private keys that fit no certificate found, too
  --node NAME          only this node; as often as needed
  --folder PATH        search this folder too, on every node; as often as needed
  --markdown           print the plan as Markdown, for a ticket
  --backups            list the backups that there are
  --restore ID         put a backup back to where it was; --node says on which node only
  --discard ID         remove a backup for good, after a question
  --login USER         log in as USER for this (default: as configured)
  --login-identity FILE  with this private key, or agent
${commonHelp}
Examples
  certs prune
  certs prune --node sally --apply
  certs prune --restore 20261123T180459Z-3fa2c1 --node sally
`,
  options: {
    apply: { type: 'boolean' },
    yes: { type: 'boolean' },
    keep: { type: 'string' },
    'orphan-keys': { type: 'boolean' },
    node: { type: 'string', multiple: true },
    folder: { type: 'string', multiple: true },
    markdown: { type: 'boolean' },
    backups: { type: 'boolean' },
    restore: { type: 'string' },
    discard: { type: 'string' },
    ...loginOptions,
  },
  operands: ['NAME…'],
  async run(invocation, io) {
    const verb = chooseBackupVerb(invocation)
    if (verb) return runBackupVerb(verb, invocation, io)
    const keep = parseKeep(invocation.value('keep'))
    const folders = readFolders('certs prune', invocation)
    if (invocation.flag('json') && invocation.flag('markdown'))
      throw new ConfigError('certs prune: --json and --markdown exclude each other')
    const asks = invocation.flag('apply') && mustAsk('certs prune --apply', invocation, io)
    return withApp(invocation, io, async (app, progress) => {
      const nodes = selectNodesOf(app.settings.nodes, invocation.values('node'))
      const scope: PruneScope = {
        nodes: nodes.map((node) => loginFor(node, invocation, io)),
        folders,
        keep: keep ?? app.settings.prune.keep,
        orphanKeys: invocation.flag('orphan-keys'),
        names: invocation.operands,
      }
      if (invocation.flag('apply')) return apply(app, { scope, asks, progress }, invocation)
      const { preparePrune } = await import('../prune.ts')
      const plan = await preparePrune(app, scope)
      progress.clear()
      io.stdout.write(await render(plan, invocation, io))
      if (countItems(plan) > 0 && !invocation.flag('json') && !invocation.flag('markdown'))
        io.stdout.write(`Nothing was changed. To do it: ${io.commandLine} --apply\n`)
      return codeOf(plan)
    })
  },
}

function parseKeep(text: string | undefined): number | undefined {
  if (text === undefined || /^[1-9]\d{0,3}$/.test(text)) return text === undefined ? undefined : Number(text)
  throw new ConfigError(`certs prune: --keep "${text}" is no number of versions`, {
    hint: 'the live one counts, so 1 is the least',
  })
}

interface Application {
  readonly scope: PruneScope
  readonly asks: boolean
  readonly progress: Progress
}

async function apply(
  app: App,
  { scope, asks, progress }: Application,
  invocation: Invocation,
): Promise<number> {
  const { io } = app
  const { preparePrune, mendFirst, carryOutPrune } = await import('../prune.ts')
  const json = invocation.flag('json')
  await using _lock = await app.lock()
  let plan = await preparePrune(app, scope)
  if (await mendFirst(app, scope.nodes, plan)) plan = await preparePrune(app, scope)
  progress.clear()
  if (!json) io.stdout.write(await render(plan, invocation, io))
  if (countItems(plan) === 0) {
    if (json) writeJson(io, { ...plan, outcome: 'unchanged', results: [] })
    return codeOf(plan)
  }
  if (asks && !(await confirm('Do this?', io))) {
    io.stdout.write('Nothing was changed.\n')
    return exitCode.failed
  }
  const results = await carryOutPrune(app, scope.nodes, plan)
  progress.clear()
  if (json) writeJson(io, { ...plan, outcome: 'changed', results })
  else io.stdout.write(`${renderPruned(results, choosePaint(io, io.stdout))}\n`)
  for (const { error } of results) if (error) io.stderr.write(renderErrorFacts(error))
  return results.every(isWhole) ? codeOf(plan) : exitCode.failed
}

function isWhole({ error, kept }: Pruned): boolean {
  return !error && kept.length === 0
}

/** A node that could not be looked at is not said to be tidy. */
function codeOf({ nodes }: PrunePlan): number {
  return nodes.some(({ error }) => error) ? exitCode.failed : exitCode.done
}

async function render(plan: PrunePlan, invocation: Invocation, io: Io): Promise<string> {
  if (invocation.flag('json')) return `${JSON.stringify(plan, null, 2)}\n`
  if (!invocation.flag('markdown')) return `${renderPrune(plan, choosePaint(io, io.stdout))}\n`
  const { renderPruneMarkdown } = await import('../core/render-prune-markdown.ts')
  return `${renderPruneMarkdown(plan)}\n`
}
