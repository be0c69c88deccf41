import { renderCaaLocks } from '../core/caa-lock.ts'
import { table } from '../core/paint.ts'
import { renderErrorFacts } from '../core/render-error.ts'
import type { Io } from '../io.ts'
import { choosePaint } from '../progress.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command, Invocation } from './command.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs check — configuration, credentials and reachability, without changing anything

Reads the configuration, every secret it names, the state folder, each CA's directory and
clock, the zone, provider and CAA records of every name, and logs in to every node. For a
certificate with challenge: 'dns-persist-01' it prints the TXT record to set, or proves it.

Options
  --caa              print the CAA records that let only our accounts issue, as they prove names
${commonHelp}
Examples
  certs check
  certs check --caa
`,
  options: { caa: { type: 'boolean' } },
  operands: [],
  async run(invocation, io) {
    if (invocation.flag('caa')) return printCaaLocks(invocation, io)
    const findings = await withApp(invocation, io, async (app) => {
      const { checkAll } = await import('../check.ts')
      return checkAll(app)
    })
    if (invocation.flag('json')) {
      io.stdout.write(`${JSON.stringify(findings, null, 2)}\n`)
    } else {
      const paint = choosePaint(io, io.stdout)
      const rows = findings.map(({ what, on, said, error, warning }) => [
        error ? paint('red', '✗') : warning ? paint('yellow', '!') : paint('green', '✓'),
        what,
        on,
        error ? 'failed' : said,
      ])
      io.stdout.write(`${table(rows).join('\n')}\n`)
      for (const { warning } of findings)
        for (const hint of warning?.hints ?? []) io.stdout.write(`hint: ${hint}\n`)
      for (const { error } of findings) if (error) io.stderr.write(renderErrorFacts(error))
    }
    return findings.every(({ error }) => !error) ? exitCode.done : exitCode.failed
  },
}

async function printCaaLocks(invocation: Invocation, io: Io): Promise<number> {
  const locks = await withApp(invocation, io, async (app) => {
    const { findCaaLocks } = await import('../check.ts')
    return findCaaLocks(app)
  })
  const text = invocation.flag('json') ? JSON.stringify(locks, null, 2) : renderCaaLocks(locks)
  io.stdout.write(`${text}\n`)
  return exitCode.done
}
