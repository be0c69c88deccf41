import { setTimeout as sleep } from 'node:timers/promises'
import type { App } from '../app.ts'
import type { Certificate } from '../core/certificate.ts'
import { CertsError } from '../core/errors.ts'
import { sayHold } from '../core/hold.ts'
import { makePlan } from '../core/make-plan.ts'
import type { Observed } from '../core/observed.ts'
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
const groupSize = 250

export const command: Command = {
  help: `certs renew [NAME…] — what a timer runs: everything that is due, without a word when nothing is

Issues new versions where they are due and rolls out what nodes do not have or serve.
Says nothing when everything is right; when anything is not, says why and exits with 1.
One certificate that fails, is refused or has to wait stops no other one.

Where acme.fallback names other CAs, the next one issues when one is down or refuses; the
report says so.

It has patience: after a failure it waits 1, 10, 100 minutes, then a day, and less when
what is in use ends soon; it waits as long as the CA says, and orders no more than the
CA's limits allow. A version that a person rolled back stays away until certs rollout NAME,
or until a newer one is due.

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
  const { needing, held, observed } = await look(app, certificates)
  if (app.io.signal.aborted) throw new CertsError('interrupted while looking: nothing was changed')
  if (needing.length === 0 || !observed) return { result: { run: app.run, certificates: [] }, held }
  const { rollout } = app.settings
  const plan = makePlan({ certificates: needing, rollout, forceRenew: false }, observed)
  const safe = refuseUnsafe(plan, { certificates: needing, observed, maxNodes: rollout.maxNodes })
  const { apply } = await import('../apply.ts')
  return { result: await apply(safe, app), held }
}

interface Seen {
  readonly needing: Certificate[]
  readonly held: CertificatePlan[]
  readonly observed?: Observed
}

/** Looks group by group and forgets what is right, so that ten thousand certificates need not be in memory at once. */
async function look(app: App, certificates: readonly Certificate[]): Promise<Seen> {
  const { observe } = await import('../observe.ts')
  const { rollout } = app.settings
  let seen: Seen = { needing: [], held: [] }
  for (const group of groupsOf(certificates)) {
    const observed = await observe(app, { certificates: group, forceRenew: false })
    const plan = makePlan({ certificates: group, rollout, forceRenew: false }, observed)
    const needing = new Set(
      plan.certificates.filter((one) => needsWork(one, plan)).map((one) => one.certificate),
    )
    const before = seen.observed
    const kept = Object.entries(observed.certificates).filter(([name]) => needing.has(name))
    seen = {
      needing: [...seen.needing, ...group.filter(({ name }) => needing.has(name))],
      held: [...seen.held, ...plan.certificates.filter(({ nodes }) => nodes.some((node) => node.held))],
      observed: {
        ...observed,
        nodes: { ...before?.nodes, ...observed.nodes },
        certificates: { ...before?.certificates, ...Object.fromEntries(kept) },
      },
    }
  }
  return seen
}

/** Those with nodes together, since a node is looked at once for all of them. */
function groupsOf(certificates: readonly Certificate[]): Certificate[][] {
  const [withNodes, alone] = [
    certificates.filter(({ nodes }) => nodes.length > 0),
    certificates.filter(({ nodes }) => nodes.length === 0),
  ]
  const groups = withNodes.length > 0 ? [withNodes] : []
  for (let from = 0; from < alone.length; from += groupSize) groups.push(alone.slice(from, from + groupSize))
  return groups
}

function needsWork(one: CertificatePlan, plan: Plan): boolean {
  const alone = { ...plan, certificates: [one] }
  return hasChanges(alone) || hasProblems(alone)
}

function sayHeld({ certificate, nodes }: CertificatePlan): string {
  const held = nodes.filter((node) => node.held)
  const names = held.map(({ node }) => node).join(', ')
  return `${certificate}: ${names} held: ${held[0]!.because}; ${sayHold(certificate, held[0]!.held!)}`
}
