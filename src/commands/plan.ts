import { commonHelp, exitCode } from './command.ts'
import type { Command } from './command.ts'

export const command: Command = {
  help: `certs plan [NAME…] — what would be done, and why

Looks at every node (over SSH and by handshake), at the stored versions and, where a
new version is due, at DNS. Changes nothing anywhere and orders nothing.

Options
  --exit-code        exit with 3 when there is something to do
  --force-renew      plan a new version even though none is due
${commonHelp}
Examples
  certs plan
  certs plan media.hachyderm.io --json
`,
  options: { 'exit-code': { type: 'boolean' }, 'force-renew': { type: 'boolean' } },
  operands: ['NAME…'],
  async run(invocation, io) {
    const { hasChanges, hasProblems } = await import('../core/plan.ts')
    const { renderErrorFacts } = await import('../core/render-error.ts')
    const { selectCertificates } = await import('../core/selection.ts')
    const { prepare, showPlan } = await import('./preparation.ts')
    const { withApp } = await import('./session.ts')

    const { plan, unsafe } = await withApp(invocation, io, (app) => {
      const certificates = selectCertificates(app.settings.certificates, invocation.operands)
      return prepare(app, { certificates, forceRenew: invocation.flag('force-renew') })
    })
    showPlan(plan, invocation, io)
    if (unsafe) io.stderr.write(renderErrorFacts(unsafe))
    if (hasProblems(plan) || unsafe) return exitCode.failed
    return invocation.flag('exit-code') && hasChanges(plan) ? exitCode.changes : exitCode.done
  },
}
