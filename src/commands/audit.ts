import { access, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { App } from '../app.ts'
import type { Audit } from '../core/audit.ts'
import type { NodeView } from '../core/audit-view.ts'
import { ConfigError } from '../core/errors.ts'
import { choosePaint } from '../progress.ts'
import { commonHelp, exitCode } from './command.ts'
import type { Command, Invocation } from './command.ts'
import { readFolders } from './folders.ts'
import { withApp } from './session.ts'

export const command: Command = {
  help: `certs audit — which certificate and key is where, who reads it, and what to do about it

Looks into every node for certificates, keys, what nginx and others are told to read, and
what else renews them; asks DNS where every name leads. Prints a list to work off from top to
bottom. Changes nothing on any node; of a key only its public half leaves its node.
Searched are certbot's folder, what nginx names, and the usual folders (/etc/nginx,
/etc/ssl, /etc/pki/tls, /etc/haproxy, /etc/apache2, /etc/httpd, /root).

Exit code 1 when there is something to do now; what is only to be tidied up leaves it at 0.

Options
  --folder PATH      search this folder too, on every node; as often as needed
  --address ADDRESS  this address is the fleet's too (a load balancer); as often as needed
  --node NAME        look only at this node; as often as needed
  --markdown         print it as Markdown, for a ticket
  --write-config FILE
                     write a configuration that takes in what is served and not yet in it;
                     FILE is new and beside the configuration, which it imports
${commonHelp}
Examples
  certs audit
  certs audit --folder /home --folder /srv/tls --markdown
  certs audit --write-config proposal.config.ts && certs plan --config proposal.config.ts
`,
  options: {
    folder: { type: 'string', multiple: true },
    address: { type: 'string', multiple: true },
    node: { type: 'string', multiple: true },
    markdown: { type: 'boolean' },
    'write-config': { type: 'string' },
  },
  operands: [],
  async run(invocation, io) {
    const folders = readFolders('certs audit', invocation)
    refusePairs(invocation)
    const { audit, written } = await withApp(invocation, io, async (app) => {
      const { audit: look } = await import('../audit.ts')
      const { selectNodesOf } = await import('../core/selection.ts')
      const file = await chooseFile(app, invocation)
      const nodes = selectNodesOf(app.settings.nodes, invocation.values('node'))
      const seen = await look(app, { nodes, folders, addresses: invocation.values('address') ?? [] })
      return { audit: seen.audit, written: file === undefined ? '' : await writeProposal(app, file, seen) }
    })
    const { needsPerson } = await import('../core/audit.ts')
    io.stdout.write(`${await render(audit, invocation, choosePaint(io, io.stdout))}\n`)
    if (written !== '')
      (invocation.flag('json') || invocation.flag('markdown') ? io.stderr : io.stdout).write(`${written}\n`)
    return needsPerson(audit) ? exitCode.failed : exitCode.done
  },
}

async function render(
  audit: Audit,
  invocation: Invocation,
  paint: ReturnType<typeof choosePaint>,
): Promise<string> {
  if (invocation.flag('json')) return JSON.stringify(audit, null, 2)
  if (invocation.flag('markdown')) {
    const { renderAuditMarkdown } = await import('../core/render-audit-markdown.ts')
    return renderAuditMarkdown(audit)
  }
  const { renderAudit } = await import('../core/render-audit.ts')
  return renderAudit(audit, paint)
}

function refusePairs(invocation: Invocation): void {
  const refuse = (what: string, hint?: string) => {
    throw new ConfigError(`certs audit: ${what}`, { hint })
  }
  if (invocation.flag('json') && invocation.flag('markdown'))
    refuse('--json and --markdown exclude each other')
  if (invocation.value('write-config') === undefined) return
  if (invocation.value('write-config') === '') refuse('--write-config names no file', 'certs audit --help')
  if (invocation.values('node')) refuse('--write-config needs all nodes', 'leave out --node')
}

/** Refused before anything is looked at: a file that exists, and one in another folder. */
async function chooseFile({ io, settings }: App, invocation: Invocation): Promise<string | undefined> {
  const given = invocation.value('write-config')
  if (given === undefined) return undefined
  const file = path.resolve(io.cwd, given)
  const folder = path.dirname(settings.file)
  if (path.dirname(file) !== folder) {
    throw new ConfigError(`certs audit: ${file} is not beside ${settings.file}, from which its paths count`, {
      hint: `--write-config ${path.join(folder, path.basename(file))}`,
    })
  }
  if (
    await access(file).then(
      () => true,
      () => false,
    )
  )
    throw existsAlready(file)
  return file
}

function existsAlready(file: string, cause?: unknown): ConfigError {
  return new ConfigError(`writing ${file} failed: it exists already`, {
    hint: 'name another file with --write-config, or move that one away',
    cause,
  })
}

/** Returns what was done, in a sentence. */
async function writeProposal(
  { settings }: App,
  file: string,
  { audit, views }: { readonly audit: Audit; readonly views: readonly NodeView[] },
): Promise<string> {
  const { proposeConfig } = await import('../core/propose-config.ts')
  const { sayCount } = await import('../core/count.ts')
  const { text, added, widened } = proposeConfig({
    views,
    names: audit.names,
    certificates: settings.certificates,
    nodes: settings.nodes,
    dns: Object.keys(settings.dns),
    unseen: audit.nodes.flatMap(({ node, error }) => (error ? node : [])),
    configuration: `./${path.basename(settings.file)}`,
  })
  if (added.length === 0 && widened.length === 0) return `Nothing to propose: ${file} was not written.`
  try {
    await writeFile(file, text, { flag: 'wx', mode: 0o644 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') throw existsAlready(file, error)
    throw new ConfigError(`writing ${file} failed: ${code}`, { cause: error })
  }
  const more = widened.length === 0 ? '' : `, and more nodes for ${widened.join(', ')}`
  return `Wrote ${file} with ${sayCount(added.length, 'new certificate')}${more}.\nNext: read it, then certs plan --config ${file}.`
}
