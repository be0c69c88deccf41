import { ConfigError } from '../core/errors.ts'
import { selectCertificates, selectNodes } from '../core/selection.ts'
import { commonHelp } from './command.ts'
import type { Command } from './command.ts'
import { execute, report } from './execution.ts'
import { prepare } from './preparation.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs rollout NAME — everything needed for one certificate, without a question

Issues a new version when one is due, brings it to every node that is not right, canary
first, tests and reloads what reads it, and proves by handshake what each node serves. A node
that does not prove right is put back on its former version, and the rollout halts.
When everything is right already, nothing is written and nothing is reloaded. It does not
wait after failed attempts, and brings back what was rolled back.

Options
  --node NODE        only this node (may be given several times)
  --force-renew      issue a new version even though none is due
  --to-version N     roll out this stored version instead of the newest
  --adopt            put right what lies otherwise than certbot leaves it: real files in live,
                     live that is a link, copies that nginx reads elsewhere, modes and owners;
                     nothing is lost
  --force            do it although the plan was refused as unsafe
${commonHelp}
Examples
  certs rollout media.hachyderm.io
  certs rollout media.hachyderm.io --node sally --node esme
  certs rollout media.hachyderm.io --adopt
`,
  options: {
    node: { type: 'string', multiple: true },
    'force-renew': { type: 'boolean' },
    'to-version': { type: 'string' },
    adopt: { type: 'boolean' },
    force: { type: 'boolean' },
  },
  operands: ['NAME'],
  async run(invocation, io) {
    const toVersion = parseVersion(invocation.value('to-version'))
    const forceRenew = invocation.flag('force-renew')
    if (forceRenew && toVersion !== undefined) {
      throw new ConfigError('certs rollout: --force-renew and --to-version exclude each other')
    }
    const outcome = await withApp(invocation, io, async (app) => {
      const certificates = selectCertificates(app.settings.certificates, invocation.operands)
      const only = selectNodes(certificates, invocation.values('node'))
      await using _lock = await app.lock()
      await app.sweepTxt()
      const adopt = invocation.flag('adopt')
      const wish = { certificates, only, forceRenew, toVersion, adopt, insistent: true, mayChange: true }
      const prepared = await prepare(app, wish)
      const done = await execute(app, prepared, invocation)
      // What was rolled back and is now asked for again is no longer held back.
      for (const { name } of certificates) await app.memory.lift(name, only)
      return done
    })
    return report(outcome, invocation, io)
  },
}

export function parseVersion(text: string | undefined, option = '--to-version'): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new ConfigError(`${option} "${text}" is not a version number`, {
    hint: 'certs history shows the numbers in use',
  })
}
