import { sha256 } from './certificate.ts'
import type { PartState, Setup, SetupFile, SetupPart, SetupSeen } from './setup.ts'
import { setupFolder, setupParts } from './setup.ts'
import type { RemoteNode } from './node.ts'
import type { Paint } from './paint.ts'
import { table } from './paint.ts'

/** What is put on the node, with `+` and `~` where it was looked at; small files in full. */
export function renderSetup(setup: Setup, seen: SetupSeen | undefined, paint: Paint): string {
  const { user, files } = setup
  const rows = [
    [markOf(seen?.account), `user ${user}`, '', `no password, and ${setupFolder}/login for a shell`],
    ...setupParts.map((part) => {
      const { path, mode, what } = files[part]
      return [markOf(seen?.parts[part]), path, mode, what]
    }),
  ]
  const lines = table(rows, '  ').map((line) => paintMark(line, paint))
  const shown = setupParts.filter((part) => seen === undefined || seen.parts[part] !== 'same')
  const texts = shown.flatMap((part) => ['', ...renderFile(part, files[part], paint)])
  return `${[`${setup.node}: a login that can hand orders to certs' program there, and do nothing else`, ...lines, ...texts].join('\n')}\n`
}

function markOf(state: PartState | undefined): string {
  if (state === undefined || state === 'missing') return '+'
  return state === 'same' ? '=' : '~'
}

function paintMark(line: string, paint: Paint): string {
  if (line.startsWith('  +')) return paint('green', line)
  return line.startsWith('  ~') ? paint('yellow', line) : line
}

function renderFile(part: SetupPart, { path, text }: SetupFile, paint: Paint): string[] {
  if (part === 'program') {
    const lines = text.split('\n').length - 1
    return [`${path}: ${lines} lines of sh, sha256 ${sha256(text)}; --script prints them`]
  }
  return [
    `${path}:`,
    ...text
      .trimEnd()
      .split('\n')
      .map((line) => paint('dim', `    ${line}`)),
  ]
}

export interface AfterSetup {
  /** How the node is logged in to from now on. */
  readonly login: { readonly user: string; readonly identity: string | undefined }
  readonly configured: RemoteNode
  /** Who did it. */
  readonly as: RemoteNode
  /** The key that is let in is let in as `as`, too. */
  readonly sameKey: boolean
}

/** What is left for a person to do, line by line. */
export function sayNext({ login, configured, as, sameKey }: AfterSetup): string[] {
  const { user, identity } = login
  const { ssh, sudo, name } = configured
  const right = ssh.user === user && !sudo && (identity === undefined || ssh.identity === identity)
  const settings = [
    `user: '${user}'`,
    ...(sudo ? ['sudo: false'] : []),
    ...(identity === undefined || identity === ssh.identity ? [] : [`identity: '${identity}'`]),
  ]
  return [
    ...(right
      ? []
      : [
          `Next, in the configuration: nodes: { '${name}': { …, ${settings.join(', ')} } }, or once for all nodes under ssh`,
          'Then: certs check',
        ]),
    ...(sameKey
      ? [
          `The same key still opens ${as.ssh.user} on ${name}. When certs check passes, take it out there, or use another:`,
          `  ssh-keygen -t ed25519 -f ~/.ssh/certs -N '' && certs nodes setup ${name} --key ~/.ssh/certs.pub --apply`,
        ]
      : []),
  ]
}
