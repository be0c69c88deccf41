import type { App } from '../app.ts'
import { directories } from '../config/directories.ts'
import type { CaSettings, Settings } from '../config/settings.ts'
import { sayInstant } from '../core/duration.ts'
import { ConfigError } from '../core/errors.ts'
import type { Io } from '../io.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command } from './command.ts'
import { confirm, mustAsk } from './confirm.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs account rotate [CA] — give our account at the CA a new key

For when the account's key may have been seen, or is older than your rules allow. The
account keeps its URL, and with it its orders, its limits and the CAA records that name it.
No certificate and no node changes. (RFC 8555 calls this the rollover of the account key.)

Both keys are kept until the CA has answered a request by the new one. Interrupted anywhere,
the next issuance finds out which key the CA takes, and running it again brings it to its end.

Where several CAs are configured, CA says which is meant: its host, its URL or its name.

Options
  --yes              do it without a question
${commonHelp}
Examples
  certs account rotate
  certs account rotate acme.zerossl.com --yes
`,
  options: { yes: { type: 'boolean' } },
  operands: ['[CA]'],
  async run(invocation, io) {
    const asks = mustAsk('certs account rotate', invocation, io)
    const rotation = await withApp(invocation, io, async (app, progress) => {
      const ca = chooseCa(app.settings.cas, invocation.operands[0])
      await using _lock = await app.lock()
      const what = await sayWhat(app, ca)
      progress.clear()
      if (!invocation.flag('json')) io.stdout.write(what)
      if (asks && !(await confirm('Do this?', io))) return undefined
      return await app.accountKey.rotate(ca.directory)
    })
    if (!rotation) return declined(io)
    io.stdout.write(
      invocation.flag('json')
        ? `${JSON.stringify(rotation, null, 2)}\n`
        : `The CA takes the new key ${rotation.to}; the old one, ${rotation.from}, is forgotten.\n`,
    )
    return exitCode.done
  },
}

function chooseCa(cas: Settings['cas'], given: string | undefined): CaSettings {
  const [first, ...more] = cas
  if (given === undefined && more.length === 0) return first
  const hosts = cas.map(hostOf)
  const hint = hosts.map((host) => `certs account rotate ${host}`)
  if (given === undefined) {
    throw new ConfigError(`certs account rotate: ${cas.length} CAs are configured: say which is meant`, {
      hint,
    })
  }
  const url = Object.hasOwn(directories, given) ? directories[given]!.url : given
  const meant = cas.find((one) => [one.directory, one.name, hostOf(one)].includes(url))
  if (meant) return meant
  throw new ConfigError(`certs account rotate: "${given}" is no configured CA`, { hint })
}

function hostOf({ directory }: CaSettings): string {
  return new URL(directory).host
}

async function sayWhat({ accountKey }: App, ca: CaSettings): Promise<string> {
  const { account, begunAt } = await accountKey.find(ca.directory)
  const host = hostOf(ca)
  return begunAt === undefined
    ? `The account ${account} at ${host} gets a new key.\n`
    : `The account ${account} at ${host}: going on with the change of its key begun at ${sayInstant(begunAt)}.\n`
}

function declined(io: Io): number {
  io.stdout.write('Nothing was changed.\n')
  return exitCode.failed
}
