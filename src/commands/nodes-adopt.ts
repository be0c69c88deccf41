import type { App } from '../app.ts'
import type { Adopted, Adoption } from '../core/adoption.ts'
import { ConfigError } from '../core/errors.ts'
import type { Node } from '../core/node.ts'
import { renderAdopted, renderAdoption } from '../core/render-adoption.ts'
import { selectNode } from '../core/selection.ts'
import type { Io } from '../io.ts'
import { choosePaint } from '../progress.ts'
import type { Progress } from '../progress.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command, Invocation } from './command.ts'
import { confirm, mustAsk } from './confirm.ts'
import { loginFor, loginOptions } from './login.ts'
import { withApp } from './session.ts'
import { writeJson } from './write-json.ts'

export const command: Command = {
  help: `certs nodes adopt NODE — take over what certbot renews on a node

Looks at certbot's renewal files there, its timers and lines of cron, and says of each lineage
whether certs renews it: by its name, by NAME-0001, or by the names it covers. Where a version of
certs is live already, the renewal file gets a name that certbot does not look at; nothing else
of it changes, and the way back is said. What certs does not manage stays on, since it would
expire. When nothing is left for it, certbot's timer is stopped.

Without --apply nothing is changed. With it, it looks again, asks, and does it.

Options
  --apply              do it
  --yes                do it without a question
  --keep-timer         leave certbot's timer on, whatever is left for it
  --undo               give everything back to certbot, and start its timer
  --login USER         log in as USER for this (default: as configured)
  --login-identity FILE  with this private key, or agent
${commonHelp}
Examples
  certs nodes adopt sally
  certs nodes adopt sally --apply
  certs nodes adopt sally --undo --apply
`,
  options: {
    apply: { type: 'boolean' },
    yes: { type: 'boolean' },
    undo: { type: 'boolean' },
    'keep-timer': { type: 'boolean' },
    ...loginOptions,
  },
  operands: ['NODE'],
  async run(invocation, io) {
    const [name = ''] = invocation.operands
    if (invocation.flag('undo') && invocation.flag('keep-timer'))
      throw new ConfigError('certs nodes adopt: --undo and --keep-timer exclude each other')
    const asks = invocation.flag('apply') && mustAsk(`certs nodes adopt ${name} --apply`, invocation, io)
    return withApp(invocation, io, async (app, progress) => {
      const node = loginFor(selectNode(app.settings.nodes, name), invocation, io)
      if (invocation.flag('apply')) return apply(app, { node, asks, progress }, invocation)
      const adoption = await look(app, node, invocation)
      progress.clear()
      if (invocation.flag('json')) writeJson(io, { ...adoption, outcome: 'printed' })
      else io.stdout.write(`${show(adoption, io)}${sayNext(adoption, io)}`)
      return exitCode.done
    })
  },
}

async function look(app: App, node: Node, invocation: Invocation): Promise<Adoption> {
  const { prepareAdoption } = await import('../adopt.ts')
  app.emit({ kind: 'node-connecting', node: node.name })
  const wish = { node, undo: invocation.flag('undo'), keepTimer: invocation.flag('keep-timer') }
  return prepareAdoption(app, wish)
}

interface Application {
  readonly node: Node
  readonly asks: boolean
  readonly progress: Progress
}

async function apply(
  app: App,
  { node, asks, progress }: Application,
  invocation: Invocation,
): Promise<number> {
  const { io } = app
  const json = invocation.flag('json')
  await using _lock = await app.lock()
  const adoption = await look(app, node, invocation)
  progress.clear()
  if (!json) io.stdout.write(show(adoption, io))
  if (adoption.steps.length === 0) {
    if (json) writeJson(io, { ...adoption, outcome: 'unchanged' })
    return exitCode.done
  }
  if (asks && !(await confirm('Do this?', io))) {
    io.stdout.write('Nothing was changed.\n')
    return exitCode.failed
  }
  const { carryOut } = await import('../adopt.ts')
  const adopted: Adopted = await carryOut(app, node, adoption)
  if (json) writeJson(io, { ...adoption, ...adopted, outcome: 'changed' })
  else io.stdout.write(`${renderAdopted(adoption, adopted)}\n`)
  return adopted.kept.length > 0 ? exitCode.failed : exitCode.done
}

function show(adoption: Adoption, io: Io): string {
  return `${renderAdoption(adoption, choosePaint(io, io.stdout))}\n`
}

function sayNext({ steps }: Adoption, { commandLine }: Io): string {
  return steps.length === 0 ? '' : `Nothing was changed. To do it: ${commandLine} --apply\n`
}
