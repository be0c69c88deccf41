import { ConfigError } from '../core/errors.ts'
import type { Invocation } from './command.ts'

/** What `--folder` names on the nodes. Throws ConfigError. */
export function readFolders(command: string, invocation: Invocation): readonly string[] {
  const folders = invocation.values('folder') ?? []
  const relative = folders.find((folder) => !folder.startsWith('/'))
  if (relative === undefined) return folders
  throw new ConfigError(`${command}: --folder "${relative}" is no absolute path`, {
    hint: 'it is a folder on the nodes: --folder /srv/tls',
  })
}
