import { table } from '../core/paint.ts'
import { renderErrorFacts } from '../core/render-error.ts'
import { choosePaint } from '../progress.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command } from './command.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs check — configuration, credentials and reachability, without changing anything

Reads the configuration, every secret it names, the state folder, the CA's directory, the
zone and provider of every name, and logs in to every node.

Options
${commonHelp}
Example
  certs check
`,
  options: {},
  operands: [],
  async run(invocation, io) {
    const findings = await withApp(invocation, io, async (app) => {
      const { checkAll } = await import('../check.ts')
      return checkAll(app)
    })
    if (invocation.flag('json')) {
      io.stdout.write(`${JSON.stringify(findings, null, 2)}\n`)
    } else {
      const paint = choosePaint(io, io.stdout)
      const rows = findings.map(({ what, on, said, error }) => [
        error ? paint('red', '✗') : paint('green', '✓'),
        what,
        on,
        error ? 'failed' : said,
      ])
      io.stdout.write(`${table(rows).join('\n')}\n`)
      for (const { error } of findings) if (error) io.stderr.write(renderErrorFacts(error))
    }
    return findings.every(({ error }) => !error) ? exitCode.done : exitCode.failed
  },
}
