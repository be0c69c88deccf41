import { ConfigError } from '../core/errors.ts'
import { commonHelp } from './command.ts'
import type { Command } from './command.ts'
import { rewriteState } from './state-rewrite.ts'

export const command: Command = {
  help: `certs state seal — seal every private key in the state folder

Seals what lies there in the clear, and what is sealed to other recipients than those of
state.encryptTo now: versions, orders under way and accounts. Each file is replaced in one
step; interrupted anywhere, running it again goes on. A file system may keep the blocks of
the clear files that are gone, and so may its snapshots and your backups.

Options
${commonHelp}
Example
  certs state seal
`,
  options: {},
  operands: [],
  run: (invocation, io) =>
    rewriteState(invocation, io, {
      action: 'state-seal',
      words: { done: 'Sealed', right: 'sealed to the recipients of state.encryptTo' },
      refuse({ settings }) {
        if (settings.state.encryptTo.length > 0) return
        throw new ConfigError('certs state seal: state.encryptTo is not configured', {
          hint: [
            'make an identity: age-keygen -o identity.txt',
            "set state: { folder: '/var/lib/certs', encryptTo: ['age1…'], identity: { file: 'identity.txt' } }",
          ],
        })
      },
    }),
}
