import type { App } from '../app.ts'
import type { Certificate } from '../core/certificate.ts'
import { sayCount } from '../core/count.ts'
import { sayInstant } from '../core/duration.ts'
import { ConfigError } from '../core/errors.ts'
import { selectCertificates } from '../core/selection.ts'
import type { ReplacementAsked } from '../core/withdrawal.ts'
import type { Io } from '../io.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command, Invocation } from './command.ts'
import { confirm, mustAsk } from './confirm.ts'
import { execute, report } from './execution.ts'
import { prepare } from './preparation.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs replace NAME… — new versions with new keys, whatever the dates say

For when a CA revokes what it issued, or keys may have been seen. Issues a new version of
each certificate, those on most nodes first, and rolls it out. What the CA's limits do not
allow today stays asked for, and certs renew goes on with it. Run again after it was
interrupted, it goes on where it stood: nothing is replaced twice.

Options
  --all              every configured certificate
  --yes              do it without a question
  --force            do it although the plan was refused as unsafe
${commonHelp}
Examples
  certs replace media.hachyderm.io
  certs replace --all --yes
`,
  options: { all: { type: 'boolean' }, yes: { type: 'boolean' }, force: { type: 'boolean' } },
  operands: ['NAME…'],
  async run(invocation, io) {
    refuseUnclear(invocation)
    const asks = mustAsk('certs replace', invocation, io)
    const outcome = await withApp(invocation, io, async (app, progress) => {
      const certificates = selectCertificates(app.settings.certificates, invocation.operands)
      await using _lock = await app.lock()
      await app.sweepTxt()
      const replacing = await choose(app, certificates)
      progress.clear()
      if (!invocation.flag('json')) say(replacing, io)
      if (asks && !(await confirm('Do this?', io))) return undefined
      await ask(app, replacing)
      const selection = { certificates: mostUsedFirst(certificates), forceRenew: false, insistent: true }
      return await execute(app, await prepare(app, { ...selection, mayChange: true }), invocation)
    })
    if (outcome) return report(outcome, invocation, io)
    io.stdout.write('Nothing was changed.\n')
    return exitCode.failed
  },
}

function refuseUnclear(invocation: Invocation): void {
  const named = invocation.operands.length > 0
  if (named !== invocation.flag('all')) return
  const what = named ? '--all and NAME exclude each other' : 'NAME is missing, or --all for every certificate'
  throw new ConfigError(`certs replace: ${what}`, { hint: 'certs replace --help' })
}

interface Replacing {
  /** What to replace, and the stored version's number; none where there is nothing stored to replace. */
  readonly versions: ReadonlyMap<Certificate, number | undefined>
  /** What an earlier run left; then only this is replaced now. */
  readonly begun: ReplacementAsked | undefined
  /** Replaced already by a run that died before it could say so. */
  readonly over: readonly string[]
}

async function choose(app: App, certificates: readonly Certificate[]): Promise<Replacing> {
  const names = certificates.map(({ name }) => name)
  const [newest, withdrawn] = await Promise.all([app.store.newest(names), app.withdrawals.recall()])
  const found = certificates.map((certificate) => {
    const number = newest.get(certificate.name)?.version?.number
    const { asked } = withdrawn(certificate.name)
    return { certificate, number, asked, over: asked !== undefined && asked.number < (number ?? 0) }
  })
  const left = found.filter(({ asked, over }) => asked && !over)
  const chosen = left.length > 0 ? left : found
  return {
    versions: new Map(chosen.map(({ certificate, number }) => [certificate, number])),
    begun: left[0]?.asked,
    over: found.flatMap(({ certificate, over }) => (over ? certificate.name : [])),
  }
}

function say({ versions, begun }: Replacing, io: Io): void {
  const count = sayCount(versions.size, 'certificate')
  const nodes = new Set([...versions.keys()].flatMap((certificate) => certificate.nodes))
  const on = `on ${sayCount(nodes.size, 'node')}`
  io.stdout.write(
    begun
      ? `Going on with what was asked for at ${sayInstant(begun.at)}: ${count} left to replace, ${on}.\n`
      : `${count} to replace by new versions with new keys, ${on}.\n`,
  )
}

/** Each stands in the state before any is ordered, so that whoever runs next goes on. */
async function ask({ withdrawals, store, io, run }: App, replacing: Replacing): Promise<void> {
  const { versions, begun, over } = replacing
  for (const name of over) await withdrawals.settle(name)
  if (begun) return
  const at = io.now().toISOString()
  for (const [{ name }, number] of versions) {
    if (number === undefined) continue
    await withdrawals.ask(name, { number, at })
    const facts = { number }
    await store.append({ at, run, certificate: name, action: 'replacement-ask', phase: 'done', facts })
  }
}

function mostUsedFirst(certificates: readonly Certificate[]): Certificate[] {
  return certificates.toSorted((a, b) => b.nodes.length - a.nodes.length)
}
