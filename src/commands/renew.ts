import { setTimeout as sleep } from 'node:timers/promises'
import type { App } from '../app.ts'
import type { Certificate } from '../core/certificate.ts'
import { CertsError } from '../core/errors.ts'
import { sayHold } from '../core/hold.ts'
import { makePlan } from '../core/make-plan.ts'
import { hasChanges, hasProblems } from '../core/plan.ts'
import type { CertificatePlan, Plan } from '../core/plan.ts'
import type { RunResult } from '../core/result.ts'
import { refuseUnsafe } from '../core/safety.ts'
import { selectCertificates } from '../core/selection.ts'
import type { Io } from '../io.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command } from './command.ts'
import { report } from './execution.ts'
import { withApp } from './session.ts'

const longestDelayMs = 10 * 60_000

export const command: Command = {
  help: `certs renew [NAME…] — what a timer runs: everything that is due, without a word when nothing is

Issues new versions where they are due and rolls out what nodes do not have or serve.
Says nothing when everything is right; when anything is not, says why and exits with 1.
One certificate that fails, is refused or has to wait stops no other one.

It has patience: after a failure it waits 1, 10, 100 minutes, then a day; it waits as long
as the CA says, and orders no more than the CA's limits allow. A version that a person
rolled back stays away until certs rollout NAME, or until a newer one is due.

Options
  --now              at once; elsewhere than on a terminal it waits up to 10 minutes first,
                     so that not all machines ask the CA at the same minute
  --verbose          show progress, also elsewhere than on a terminal
${commonHelp}
Examples
  certs renew
  certs renew --now --verbose
`,
  options: { now: { type: 'boolean' }, verbose: { type: 'boolean' } },
  operands: ['NAME…'],
  async run(invocation, io) {
    const quiet = !invocation.flag('verbose')
    const renewing = async (app: App) => {
      const certificates = selectCertificates(app.settings.certificates, invocation.operands)
      if (!invocation.flag('now') && !io.stderr.isTTY) await delay(io)
      await using _lock = await app.lock()
      await app.sweepTxt()
      return await renew(app, certificates)
    }
    const { result, held } = await withApp(invocation, io, renewing, { quiet })
    if (!invocation.flag('json')) for (const one of held) io.stdout.write(`${sayHeld(one)}\n`)
    if (result.certificates.length === 0 && !invocation.flag('json')) return exitCode.done
    return report({ kind: 'applied', result }, invocation, io)
  },
}

async function delay(io: Io): Promise<void> {
  const share = Number.parseInt(io.random(4), 16) / 2 ** 32
  await sleep(share * longestDelayMs, undefined, { signal: io.signal }).catch(() => {
    throw new CertsError('interrupted before anything was begun')
  })
}

interface Renewed {
  readonly result: RunResult
  /** Certificates of which a version is held back from nodes. */
  readonly held: readonly CertificatePlan[]
}

/** Does what is needed and leaves out what is right; a certificate that is unsafe to change is refused by itself. */
async function renew(app: App, certificates: readonly Certificate[]): Promise<Renewed> {
  const { observe } = await import('../observe.ts')
  const observed = await observe(app, { certificates, forceRenew: false })
  if (app.io.signal.aborted) throw new CertsError('interrupted while looking: nothing was changed')
  const { rollout, acme } = app.settings
  const whole = makePlan({ certificates, rollout, forceRenew: false }, observed)
  const needsWork = (one: CertificatePlan): boolean => {
    const alone = { ...whole, certificates: [one] }
    return hasChanges(alone) || hasProblems(alone)
  }
  const needed: Plan = { ...whole, certificates: whole.certificates.filter(needsWork) }
  const held = whole.certificates.filter((one) => one.nodes.some((node) => node.held))
  if (needed.certificates.length === 0) return { result: { run: app.run, certificates: [] }, held }
  const plan = refuseUnsafe(needed, { certificates, observed, directory: acme.directory })
  const { apply } = await import('../apply.ts')
  return { result: await apply(plan, app), held }
}

function sayHeld({ certificate, nodes }: CertificatePlan): string {
  const held = nodes.filter((node) => node.held)
  const names = held.map(({ node }) => node).join(', ')
  return `${certificate}: ${names} held: ${held[0]!.because}; ${sayHold(certificate, held[0]!.held!)}`
}
