import { ConfigError } from '../core/errors.ts'
import { commonHelp } from './command.ts'
import type { Command } from './command.ts'
import { rewriteState } from './state-rewrite.ts'

export const command: Command = {
  help: `certs state unseal — bring every private key in the state folder back into the clear

For when keys are to be sealed no longer: take state.encryptTo out of the configuration,
leave state.identity, and run this. Each file is replaced in one step; interrupted anywhere,
running it again goes on.

Options
${commonHelp}
Example
  certs state unseal
`,
  options: {},
  operands: [],
  run: (invocation, io) =>
    rewriteState(invocation, io, {
      action: 'state-unseal',
      words: { done: 'Unsealed', right: 'in the clear' },
      refuse({ settings }) {
        if (settings.state.encryptTo.length === 0) return
        throw new ConfigError(
          'certs state unseal: state.encryptTo is configured, and new keys would be sealed',
          {
            hint: `take encryptTo out of ${settings.file}, leave identity, and run it again`,
          },
        )
      },
    }),
}
