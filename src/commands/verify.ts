import { selectCertificates, selectNodes } from '../core/selection.ts'
import { table } from '../core/paint.ts'
import { choosePaint } from '../progress.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command } from './command.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs verify [NAME…] — handshakes and probes, from outside

Shakes hands with every endpoint of every node for every name, compares leaf and chain
with the newest stored version, and fetches the configured URLs through each node.
Exit code 1 when anything is not right.

Options
  --node NODE        only this node (may be given several times)
${commonHelp}
Example
  certs verify media.hachyderm.io
`,
  options: { node: { type: 'string', multiple: true } },
  operands: ['NAME…'],
  async run(invocation, io) {
    const findings = await withApp(invocation, io, async (app) => {
      const { lookFromOutside } = await import('../outside.ts')
      const certificates = selectCertificates(app.settings.certificates, invocation.operands)
      return lookFromOutside(app, certificates, selectNodes(certificates, invocation.values('node')))
    })
    const paint = choosePaint(io, io.stdout)
    const header = ['CERTIFICATE', 'NODE', 'ASKED', 'RESULT', ''].map((cell) => paint('dim', cell))
    const rows = findings.map(({ certificate, node, asked, ok, said }) => [
      certificate,
      node,
      asked,
      ok ? paint('green', 'right') : paint('red', 'wrong'),
      said,
    ])
    io.stdout.write(
      invocation.flag('json')
        ? `${JSON.stringify(findings, null, 2)}\n`
        : `${table([header, ...rows]).join('\n')}\n`,
    )
    return findings.every(({ ok }) => ok) ? exitCode.done : exitCode.failed
  },
}
