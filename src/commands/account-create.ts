import type { AccountMade } from '../accounts.ts'
import { renderErrorFacts } from '../core/render-error.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command } from './command.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs account create — make our account at the CA, ahead of the first certificate

The first issuance makes it, too. Records that name the account want it before: those of
dns-persist-01 (certs check prints them) and CAA (certs check --caa). Agrees to the CA's
terms of service. Where there is an account already, says its URL and changes nothing.

Options
${commonHelp}
Example
  certs account create
`,
  options: {},
  operands: [],
  async run(invocation, io) {
    const accounts = await withApp(invocation, io, async (app, progress) => {
      await using _lock = await app.lock()
      const { createAccounts } = await import('../accounts.ts')
      const made = await createAccounts(app)
      progress.clear()
      return made
    })
    const failed = accounts.some((one) => 'error' in one)
    if (invocation.flag('json')) io.stdout.write(`${JSON.stringify(accounts, null, 2)}\n`)
    for (const one of accounts) {
      if ('error' in one) io.stderr.write(renderErrorFacts(one.error))
      else if (!invocation.flag('json')) io.stdout.write(sayAccount(one))
    }
    return failed ? exitCode.failed : exitCode.done
  },
}

function sayAccount({ directory, account, made }: Exclude<AccountMade, { error: unknown }>): string {
  const { host } = new URL(directory)
  return `${made ? 'Made' : 'There was already'} the account at ${host}: ${account}\n`
}
