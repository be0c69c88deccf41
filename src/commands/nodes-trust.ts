import { ConfigError } from '../core/errors.ts'
import { isRemote } from '../core/node.ts'
import { selectNode } from '../core/selection.ts'
import type { Io } from '../io.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command } from './command.ts'
import { confirm } from './confirm.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs nodes trust NODE — show a node's host keys and trust them

Asks the node for its host keys without logging in, shows their fingerprints, and adds
them to its known_hosts file after you typed yes. Compare the fingerprint with what the
node itself says: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub

Options
  --fingerprint FP   trust without a question when a key has this SHA256 fingerprint
${commonHelp}
Example
  certs nodes trust sally
`,
  options: { fingerprint: { type: 'string' } },
  operands: ['NODE'],
  async run(invocation, io) {
    const [name] = invocation.operands
    return withApp(invocation, io, async (app) => {
      const node = selectNode(app.settings.nodes, name!)
      if (!isRemote(node)) {
        io.stdout.write(`Nothing to do: ${name} is this machine, and nobody logs in.\n`)
        return exitCode.done
      }
      const { scanNode, trustKeys } = await import('../../deploy/trust.ts')
      const { target, keys } = await scanNode(node, io.signal)
      for (const { type, fingerprint, known } of keys) {
        io.stdout.write(`${name}  ${type}  ${fingerprint}${known ? '  (trusted already)' : ''}\n`)
      }
      const chosen = await choose(
        keys.filter(({ known }) => !known),
        invocation.value('fingerprint'),
        io,
      )
      if (chosen.length === 0) {
        const allKnown = keys.every(({ known }) => known)
        io.stdout.write(allKnown ? `Nothing to do: ${name} is trusted already.\n` : 'Nothing was trusted.\n')
        return allKnown ? exitCode.done : exitCode.failed
      }
      await trustKeys(target, chosen)
      io.stdout.write(`${name} is trusted now: ${chosen.length} key(s) added to ${target.knownHosts}\n`)
      return exitCode.done
    })
  },
}

interface Fingerprinted {
  readonly fingerprint: string
}

async function choose<Key extends Fingerprinted>(
  keys: readonly Key[],
  given: string | undefined,
  io: Io,
): Promise<readonly Key[]> {
  if (keys.length === 0) return []
  if (given !== undefined) {
    const match = keys.filter(({ fingerprint }) => fingerprint === given)
    if (match.length > 0) return match
    throw new ConfigError(`no key of the node has the fingerprint ${given}`, { hint: 'nothing was trusted' })
  }
  if (!io.stdin.isTTY) {
    throw new ConfigError('certs nodes trust: this is no terminal, so nobody can be asked', {
      hint: 'certs nodes trust NODE --fingerprint SHA256:…',
    })
  }
  return (await confirm('Trust these keys?', io)) ? keys : []
}
