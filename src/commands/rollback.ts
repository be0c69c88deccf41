import type { App } from '../app.ts'
import type { Plan } from '../core/plan.ts'
import { planRollBack } from '../core/roll-back.ts'
import { selectCertificates, selectNodes } from '../core/selection.ts'
import { commonHelp } from './command.ts'
import type { Command } from './command.ts'
import { execute, report } from './execution.ts'
import { judge } from './preparation.ts'
import { parseVersion } from './rollout.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs rollback NAME — go back to the version before, on every node

Points live at a version that the node already holds, tests and reloads what reads it, and
verifies by handshake. Nothing is issued and no key leaves the controller. certs renew and
apply do not bring the version back; certs rollout NAME does, and so does a newer version.

Options
  --to-version N     go back to this version instead of the one before
  --node NODE        only this node (may be given several times)
  --force            go back even to a version that expired or is not known here
${commonHelp}
Example
  certs rollback media.hachyderm.io
`,
  options: {
    'to-version': { type: 'string' },
    node: { type: 'string', multiple: true },
    force: { type: 'boolean' },
  },
  operands: ['NAME'],
  async run(invocation, io) {
    const toVersion = parseVersion(invocation.value('to-version'))
    const outcome = await withApp(invocation, io, async (app) => {
      const { observe } = await import('../observe.ts')
      const certificates = selectCertificates(app.settings.certificates, invocation.operands)
      const only = selectNodes(certificates, invocation.values('node'))
      await using _lock = await app.lock()
      const observed = await observe(app, {
        certificates,
        only,
        forceRenew: false,
        mayIssue: false,
        history: true,
        mayChange: true,
      })
      const request = { certificate: certificates[0]!, rollout: app.settings.rollout, toVersion, only }
      const plan = planRollBack(request, observed)
      const unsafe = judge(app, plan, { certificates, observed })
      if (!unsafe || invocation.flag('force')) await holdBack(app, plan)
      return await execute(app, { plan, unsafe }, invocation)
    })
    return report(outcome, invocation, io)
  },
}

/** Before anything is changed: the next run of the timer must not bring back what a person is taking away. */
async function holdBack(app: App, plan: Plan): Promise<void> {
  for (const { certificate, nodes } of plan.certificates) {
    const versions = nodes.flatMap(({ node, action, from }) =>
      action === 'roll-back' && from !== undefined ? [[node, from] as const] : [],
    )
    if (versions.length === 0) continue
    await app.memory.hold(certificate, { nodes: Object.fromEntries(versions), since: plan.at })
  }
}
