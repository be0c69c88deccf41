import type { App } from '../app.ts'
import type { Certificate, PublicVersion } from '../core/certificate.ts'
import { readLeaf } from '../core/certificate.ts'
import { sayCount } from '../core/count.ts'
import { sayValidity } from '../core/duration.ts'
import { CertsError, ConfigError, StateError } from '../core/errors.ts'
import { hasProblems } from '../core/plan.ts'
import { isSuccess } from '../core/result.ts'
import { selectCertificates } from '../core/selection.ts'
import { reasonCodes } from '../core/withdrawal.ts'
import type { BlockedKey, Reason } from '../core/withdrawal.ts'
import type { Io } from '../io.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command, Invocation } from './command.ts'
import { confirm, mustAsk } from './confirm.ts'
import { execute, report } from './execution.ts'
import type { Outcome } from './execution.ts'
import { prepare } from './preparation.ts'
import { parseVersion } from './rollout.ts'
import { withApp } from './session.ts'

const reasons = Object.keys(reasonCodes) as readonly Reason[]

export const command: Command = {
  help: `certs revoke NAME — replace a version everywhere, then revoke it at the CA

Blocks the version's key for ever: it is never issued for, rolled out or gone back to again.
Then issues a replacement where the version is the newest, rolls it out, and when every node
is proved right tells the CA. If a node is not, nothing is revoked, and running it again
goes on.

Options
  --version N        the stored version to revoke
  --reason REASON    ${reasons.slice(0, 3).join(', ')},
                     ${reasons.slice(3).join(' or ')}
  --no-replacement   revoke at once, whatever nodes serve: for when the key is abused now
  --yes              do it without a question
  --force            roll out although the plan was refused as unsafe
${commonHelp}
Example
  certs revoke media.hachyderm.io --version 3 --reason keyCompromise
`,
  options: {
    version: { type: 'string' },
    reason: { type: 'string' },
    'no-replacement': { type: 'boolean' },
    yes: { type: 'boolean' },
    force: { type: 'boolean' },
  },
  operands: ['NAME'],
  async run(invocation, io) {
    const number = parseVersion(invocation.value('version'), '--version')
    if (number === undefined) throw missing('--version N', 'certs history shows the numbers in use')
    const reason = chooseReason(invocation.value('reason'))
    const asks = mustAsk('certs revoke', invocation, io)
    const done = await withApp(invocation, io, async (app, progress) => {
      const [certificate] = selectCertificates(app.settings.certificates, invocation.operands)
      const version = await readVersion(app, certificate!.name, number)
      await app.cas.issuersOf(version)
      await using _lock = await app.lock()
      await app.sweepTxt()
      progress.clear()
      if (!invocation.flag('json')) say({ certificate: certificate!, version, reason }, invocation, io)
      if (asks && !(await confirm('Do this?', io))) return undefined
      const key = await block(app, version, reason)
      const outcome = invocation.flag('no-replacement')
        ? undefined
        : await replace(app, certificate!, invocation)
      if (outcome && !isRight(outcome)) return { key, outcome, revoked: false }
      await app.revoke(version, key.reason)
      await app.withdrawals.revoked(version, io.now().toISOString())
      return { key, outcome, revoked: true }
    })
    if (done) return conclude(done, invocation, io)
    io.stdout.write('Nothing was changed.\n')
    return exitCode.failed
  },
}

function missing(what: string, hint: string): ConfigError {
  return new ConfigError(`certs revoke: ${what} is missing`, { hint })
}

function chooseReason(given: string | undefined): Reason {
  const hint = `it is one of ${reasons.join(', ')}`
  if (given === undefined) throw missing('--reason REASON', hint)
  const reason = reasons.find((one) => one === given)
  if (reason) return reason
  throw new ConfigError(`--reason "${given}" is not known`, { hint })
}

async function readVersion({ store }: App, name: string, number: number): Promise<PublicVersion> {
  const version = await store.getPublicVersion(name, number)
  if (version) return version
  const known = (await store.listVersions(name)).join(', ') || 'none'
  throw new StateError(`version ${number} of ${name} is not stored in ${store.place}`, {
    hint: `stored versions: ${known}`,
  })
}

interface Revoking {
  readonly certificate: Certificate
  readonly version: PublicVersion
  readonly reason: Reason
}

function say({ certificate, version, reason }: Revoking, invocation: Invocation, io: Io): void {
  const { serial, notAfter } = readLeaf(version.leaf)
  const what = `version ${version.number} of ${certificate.name} (serial ${serial}, ${sayValidity(notAfter, io.now())})`
  const first = invocation.flag('no-replacement')
    ? 'At once, while nodes may still serve it'
    : `When a replacement is proved on ${sayCount(certificate.nodes.length, 'node')}`
  io.stdout.write(`${first}: revoke ${what} for ${reason}. Its key is blocked for ever.\n`)
}

/** Before all else, so that whatever happens next the key does not come back. The first reason stands. */
async function block(
  { withdrawals, store, io, run }: App,
  version: PublicVersion,
  reason: Reason,
): Promise<BlockedKey> {
  const { certificate, number } = version
  const at = io.now().toISOString()
  const line = { at, run, certificate, action: 'key-block', facts: { number, reason } }
  await store.append({ ...line, phase: 'intent' })
  const key = await withdrawals.block(version, { certificate, number, reason, at })
  await store.append({ ...line, phase: 'done' })
  return key
}

async function replace(app: App, certificate: Certificate, invocation: Invocation): Promise<Outcome> {
  const selection = { certificates: [certificate], forceRenew: false, insistent: true, mayChange: true }
  return execute(app, await prepare(app, selection), invocation)
}

/** Every node was seen to serve another version. */
function isRight(outcome: Outcome): boolean {
  if (outcome.kind === 'applied') return isSuccess(outcome.result)
  return outcome.kind === 'nothing-to-do' && !hasProblems(outcome.prepared.plan)
}

interface Done {
  readonly key: BlockedKey
  readonly outcome: Outcome | undefined
  readonly revoked: boolean
}

function conclude({ key, outcome, revoked }: Done, invocation: Invocation, io: Io): number {
  const { certificate, number, reason } = key
  if (invocation.flag('json')) {
    const rollout = outcome?.kind === 'applied' ? { rollout: outcome.result } : {}
    io.stdout.write(`${JSON.stringify({ certificate, number, reason, revoked, ...rollout }, null, 2)}\n`)
  } else if (outcome) {
    report(outcome, invocation, io)
  }
  if (!revoked) {
    throw new CertsError(
      `version ${number} of ${certificate} was not revoked: not every node is proved right`,
      {
        hint: [
          'mend what is said above, then run it again; its key is blocked already',
          'or revoke it at once, whatever nodes serve: --no-replacement',
        ],
      },
    )
  }
  if (!invocation.flag('json'))
    io.stdout.write(`Version ${number} of ${certificate} is revoked (${reason}).\n`)
  return exitCode.done
}
