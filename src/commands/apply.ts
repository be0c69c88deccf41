import path from 'node:path'
import type { App } from '../app.ts'
import { ConfigError } from '../core/errors.ts'
import { hasChanges } from '../core/plan.ts'
import type { SavedPlan } from '../core/saved-plan.ts'
import { selectCertificates } from '../core/selection.ts'
import type { Io } from '../io.ts'
import { commonHelp } from './command.ts'
import type { Command, Invocation } from './command.ts'
import { confirm, mustAsk } from './confirm.ts'
import { execute, report } from './execution.ts'
import { planned, prepare, showPlan } from './preparation.ts'
import type { Looked } from './preparation.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs apply [NAME…] — show the plan, ask, do it

Without a name, for every configured certificate. On a terminal it asks before it
changes anything; elsewhere it wants --yes.

With --plan it does just what certs plan --out saved: it looks again, and refuses, thing by
thing, when the configuration or the fleet is not any more as it was then.

Options
  --plan FILE        do a saved plan; it says which certificates, so no NAME goes with it
  --yes              do it without a question
  --force-renew      issue new versions even though none is due
  --adopt            put right also what lies otherwise than certbot leaves it
  --force            do it although the plan was refused as unsafe
${commonHelp}
Examples
  certs apply
  certs apply media.hachyderm.io --yes
  certs apply --plan tonight.json
`,
  options: {
    plan: { type: 'string' },
    yes: { type: 'boolean' },
    'force-renew': { type: 'boolean' },
    adopt: { type: 'boolean' },
    force: { type: 'boolean' },
  },
  operands: ['NAME…'],
  async run(invocation, io) {
    const file = choosePlan(invocation, io)
    const asks = mustAsk('certs apply', invocation, io)
    const saved = file === undefined ? undefined : await read(file, io)
    const outcome = await withApp(invocation, io, async (app, progress) => {
      refuseFileAsName(app, invocation.operands)
      await using _lock = await app.lock()
      const prepared = await look(app, { file, saved }, invocation)
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

function choosePlan(invocation: Invocation, io: Io): string | undefined {
  const file = invocation.value('plan')
  if (file === undefined) return undefined
  const flag = ['force-renew', 'adopt'].find((name) => invocation.flag(name))
  const besides = flag === undefined ? invocation.operands[0] : `--${flag}`
  if (besides !== undefined) {
    throw new ConfigError(
      `certs apply: the plan says what is done, so --plan and ${besides} exclude each other`,
      {
        hint: [`certs apply --plan ${file}`, 'or save another plan: certs plan NAME… --out FILE'],
      },
    )
  }
  return path.resolve(io.cwd, file)
}

/** A certificate may be called tonight.json, so no argument is ever guessed to be a file. */
function refuseFileAsName({ settings }: App, operands: readonly string[]): void {
  const file = operands.find((name) => /\/|\.json$/.test(name) && !settings.certificates[name])
  if (file === undefined) return
  throw new ConfigError(`no certificate "${file}" is configured here`, {
    hint: `to do a saved plan: certs apply --plan ${file}`,
  })
}

async function read(file: string, io: Io): Promise<SavedPlan> {
  const { readPlan } = await import('../plan-file.ts')
  const { refuseExpired } = await import('../core/saved-plan.ts')
  const saved = await readPlan(file, io)
  refuseExpired(saved, { file, now: io.now() })
  return saved
}

interface Kept {
  readonly file: string | undefined
  readonly saved: SavedPlan | undefined
}

/** Looks and plans anew; a saved plan must be the same, so that nothing that stands in its file is ever executed. */
async function look(app: App, { file, saved }: Kept, invocation: Invocation): Promise<Looked> {
  const known = app.settings.certificates
  const names =
    saved?.request.certificates.filter((name) => Object.hasOwn(known, name)) ?? invocation.operands
  const certificates = saved && names.length === 0 ? [] : selectCertificates(known, names)
  const forceRenew = saved?.request.forceRenew ?? invocation.flag('force-renew')
  const adopt = saved ? (saved.request.adopt ?? false) : invocation.flag('adopt')
  const selection = { certificates, forceRenew, adopt, mayChange: true }
  if (!saved) await app.sweepTxt()
  const looked = await prepare(app, selection)
  if (saved && file !== undefined) {
    const { refuseChanged } = await import('../core/plan-changes.ts')
    refuseChanged(saved, await planned(app, selection, looked), file)
    await app.sweepTxt()
  }
  return looked
}
