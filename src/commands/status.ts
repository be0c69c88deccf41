import type { App } from '../app.ts'
import { CertsError, errorFacts } from '../core/errors.ts'
import { makePlan } from '../core/make-plan.ts'
import type { Observed } from '../core/observed.ts'
import { hasChanges, hasProblems } from '../core/plan.ts'
import type { CertificatePlan } from '../core/plan.ts'
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
    const { plan, observed, keys } = await withApp(invocation, io, async (app) => {
      const { observe } = await import('../observe.ts')
      const certificates = selectCertificates(app.settings.certificates, invocation.operands)
      const issuers = invocation.flag('json')
      const seen = await observe(app, { certificates, forceRenew: false, mayIssue: false, issuers })
      return {
        plan: makePlan({ certificates, rollout: app.settings.rollout, forceRenew: false }, seen),
        observed: seen,
        keys: await lookAtKeys(app),
      }
    })
    const text = invocation.flag('json')
      ? JSON.stringify(
          {
            at: plan.at,
            certificates: plan.certificates.map((one) => ({ ...one, ca: issuerOf(one, observed) })),
            nodes: observed.nodes,
            ...(keys && { keys: keys.count }),
          },
          null,
          2,
        )
      : renderStatus(plan, observed, choosePaint(io, io.stdout))
    io.stdout.write(`${text}\n`)
    if (keys?.stray && !invocation.flag('json')) {
      io.stdout.write(
        `\n${keys.stray.message}\n${keys.stray.hints.map((hint) => `hint: ${hint}\n`).join('')}`,
      )
    }
    return hasChanges(plan) || hasProblems(plan) ? exitCode.failed : exitCode.done
  },
}

/** The CA that issued the newest stored version; absent where it is not on record, its name where it is not configured. */
function issuerOf({ certificate }: CertificatePlan, { certificates, cas }: Observed) {
  const directory = certificates[certificate]?.issuedBy
  return directory && { name: cas.find((ca) => ca.directory === directory)?.name, directory }
}

/** Where keys are to be sealed. */
async function lookAtKeys(app: App) {
  if (app.settings.state.encryptTo.length === 0) return undefined
  const { countKeys, sayStray } = await import('../keys-at-rest.ts')
  try {
    const count = await countKeys(app)
    return { count, stray: sayStray(app, count) }
  } catch (error) {
    // What one file of the state is like must not hide what the nodes serve.
    if (!(error instanceof CertsError)) throw error
    return { count: undefined, stray: errorFacts(error) }
  }
}
