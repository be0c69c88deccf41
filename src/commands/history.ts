import { renderHistory } from '../core/render-history.ts'
import { ConfigError } from '../core/errors.ts'
import { choosePaint } from '../progress.ts'
import type { JournalLine } from '../state/store.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command } from './command.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs history [NAME…] — what was changed, where, from what, to what, and why

Reads the journal. Without a name, for all certificates; the newest stands last.

Options
  --last N           only the last N entries
${commonHelp}
Example
  certs history media.hachyderm.io --last 20
`,
  options: { last: { type: 'string' } },
  operands: ['NAME…'],
  async run(invocation, io) {
    const last = parseCount(invocation.value('last'))
    const lines = await withApp(invocation, io, async (app) => {
      const found: JournalLine[] = []
      for await (const line of app.store.journal()) {
        const { certificate = '' } = line
        if (invocation.operands.length === 0 || invocation.operands.includes(certificate)) found.push(line)
      }
      return found
    })
    const shown = withoutEndedIntents(lines).slice(-last)
    const text = invocation.flag('json')
      ? JSON.stringify(shown, null, 2)
      : renderHistory(shown, choosePaint(io, io.stdout))
    io.stdout.write(`${text}\n`)
    return exitCode.done
  },
}

/** An intent that was followed by its end says nothing new; one that was not is what a person must see. */
function withoutEndedIntents(lines: readonly JournalLine[]): JournalLine[] {
  const identity = (line: JournalLine) => [line.run, line.certificate, line.node, line.action].join('\0')
  return lines.filter((line, index) => {
    if (line.phase !== 'intent') return true
    return !lines
      .slice(index + 1)
      .some((later) => later.phase !== 'intent' && identity(later) === identity(line))
  })
}

function parseCount(text: string | undefined): number {
  if (text === undefined) return Number.MAX_SAFE_INTEGER
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new ConfigError(`--last "${text}" is not a number of entries`)
}
