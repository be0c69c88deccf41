import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sshd } from './sshd.ts'

/** A known_hosts file that knows an sshd by another port, as of a proxy before it. */
export async function rewriteKnownHosts(sshd: Sshd, port: number): Promise<string> {
  const path = join(sshd.folder, `known_hosts_${port}`)
  const known = await readFile(sshd.knownHosts, 'utf8')
  await writeFile(path, known.replaceAll(`:${sshd.port} `, `:${port} `))
  return path
}
