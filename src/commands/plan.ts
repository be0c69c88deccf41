import path from 'node:path'
import { ConfigError, errorFacts } from '../core/errors.ts'
import type { Planned } from '../core/saved-plan.ts'
import type { Io } from '../io.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command, Invocation } from './command.ts'
import { version } from './version.ts'

export const command: Command = {
  help: `certs plan [NAME…] — what would be done, and why

Looks at every node (over SSH and by handshake), at the stored versions and, where a
new version is due, at DNS. Changes nothing anywhere and orders nothing.

Options
  --out FILE         save the plan; certs apply --plan FILE does just that, or refuses
  --markdown         print it as Markdown, for a pull request
  --exit-code        exit with 3 when there is something to do
  --force-renew      plan a new version even though none is due
  --adopt            plan also to put right what lies otherwise than certbot leaves it
${commonHelp}
Examples
  certs plan
  certs plan media.hachyderm.io --json
  certs plan --out tonight.json --markdown
`,
  options: {
    out: { type: 'string' },
    markdown: { type: 'boolean' },
    'exit-code': { type: 'boolean' },
    'force-renew': { type: 'boolean' },
    adopt: { type: 'boolean' },
  },
  operands: ['NAME…'],
  async run(invocation, io) {
    const { hasChanges, hasProblems } = await import('../core/plan.ts')
    const { renderErrorFacts } = await import('../core/render-error.ts')
    const { selectCertificates } = await import('../core/selection.ts')
    const { planned, prepare, showPlan } = await import('./preparation.ts')
    const { withApp } = await import('./session.ts')
    const out = await chooseOut(invocation, io)

    const { plan, unsafe } = await withApp(invocation, io, async (app) => {
      const certificates = selectCertificates(app.settings.certificates, invocation.operands)
      const adopt = invocation.flag('adopt')
      const selection = { certificates, forceRenew: invocation.flag('force-renew'), adopt }
      const looked = await prepare(app, selection)
      if (out !== undefined) await save(out, await planned(app, selection, looked), io)
      return looked
    })
    if (invocation.flag('markdown')) {
      const { renderPlanMarkdown } = await import('../core/render-plan-markdown.ts')
      io.stdout.write(`${renderPlanMarkdown(plan, { unsafe: unsafe && errorFacts(unsafe), file: out })}\n`)
    } else {
      showPlan(plan, invocation, io)
      if (out !== undefined && !invocation.flag('json')) io.stdout.write(saySaved(out, hasChanges(plan)))
    }
    if (unsafe) io.stderr.write(renderErrorFacts(unsafe))
    if (hasProblems(plan) || unsafe) return exitCode.failed
    return invocation.flag('exit-code') && hasChanges(plan) ? exitCode.changes : exitCode.done
  },
}

/** Refused before anything is looked at: two forms at once, an empty name, and a file that is no plan. */
async function chooseOut(invocation: Invocation, io: Io): Promise<string | undefined> {
  if (invocation.flag('json') && invocation.flag('markdown'))
    throw new ConfigError('certs plan: --json and --markdown exclude each other')
  const out = invocation.value('out')
  if (out === undefined) return undefined
  if (out === '') throw new ConfigError('certs plan: --out names no file', { hint: 'certs plan --help' })
  const { refuseOtherFile } = await import('../plan-file.ts')
  const file = path.resolve(io.cwd, out)
  await refuseOtherFile(file)
  return file
}

function saySaved(file: string, useful: boolean): string {
  return `Saved to ${file}.${useful ? ` To do just this: certs apply --plan ${file}` : ''}\n`
}

async function save(file: string, made: Planned, io: Io): Promise<void> {
  const { savePlan } = await import('../core/saved-plan.ts')
  const { writePlan } = await import('../plan-file.ts')
  await writePlan(file, savePlan(made, `certs ${version}`), io)
}
