import { makePlan } from '../core/make-plan.ts'
import { hasChanges, hasProblems } from '../core/plan.ts'
import { renderStatus } from '../core/render-status.ts'
import { selectCertificates } from '../core/selection.ts'
import { choosePaint } from '../progress.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command } from './command.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs status [NAME…] — what every node serves and holds

Looks at every node over SSH and by handshake, and compares with the newest stored
version. Changes nothing. Exit code 1 when anything is not right.

Options
${commonHelp}
Example
  certs status media.hachyderm.io
`,
  options: {},
  operands: ['NAME…'],
  async run(invocation, io) {
    const { plan, observed } = await withApp(invocation, io, async (app) => {
      const { observe } = await import('../observe.ts')
      const certificates = selectCertificates(app.settings.certificates, invocation.operands)
      const seen = await observe(app, { certificates, forceRenew: false, mayIssue: false })
      return {
        plan: makePlan({ certificates, rollout: app.settings.rollout, forceRenew: false }, seen),
        observed: seen,
      }
    })
    const text = invocation.flag('json')
      ? JSON.stringify({ at: plan.at, certificates: plan.certificates, nodes: observed.nodes }, null, 2)
      : renderStatus(plan, observed, choosePaint(io, io.stdout))
    io.stdout.write(`${text}\n`)
    return hasChanges(plan) || hasProblems(plan) ? exitCode.failed : exitCode.done
  },
}
