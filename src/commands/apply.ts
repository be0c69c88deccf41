import { hasChanges } from '../core/plan.ts'
import { selectCertificates } from '../core/selection.ts'
import { commonHelp } from './command.ts'
import type { Command } from './command.ts'
import { confirm, mustAsk } from './confirm.ts'
import { execute, report } from './execution.ts'
import { prepare, showPlan } from './preparation.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs apply [NAME…] — show the plan, ask, do it

Without a name, for every configured certificate. On a terminal it asks before it
changes anything; elsewhere it wants --yes.

Options
  --yes              do it without a question
  --force-renew      issue new versions even though none is due
  --force            do it although the plan was refused as unsafe
${commonHelp}
Examples
  certs apply
  certs apply media.hachyderm.io --yes
`,
  options: { yes: { type: 'boolean' }, 'force-renew': { type: 'boolean' }, force: { type: 'boolean' } },
  operands: ['NAME…'],
  async run(invocation, io) {
    const asks = mustAsk('certs apply', invocation, io)
    const outcome = await withApp(invocation, io, async (app, progress) => {
      const certificates = selectCertificates(app.settings.certificates, invocation.operands)
      await using _lock = await app.lock()
      await app.sweepTxt()
      const prepared = await prepare(app, {
        certificates,
        forceRenew: invocation.flag('force-renew'),
        mayChange: true,
      })
      if (!hasChanges(prepared.plan)) return await execute(app, prepared, invocation)
      progress.clear()
      if (!invocation.flag('json')) showPlan(prepared.plan, invocation, io)
      if (prepared.unsafe && !invocation.flag('force')) throw prepared.unsafe
      if (asks && !(await confirm('Do this?', io))) return { kind: 'declined' as const, prepared }
      return await execute(app, prepared, invocation)
    })
    if (outcome.kind === 'declined') io.stdout.write('Nothing was changed.\n')
    return report(outcome, invocation, io)
  },
}
