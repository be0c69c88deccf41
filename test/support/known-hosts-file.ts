import { readFile, writeFile } from 'node:fs/promises'

/** A known_hosts file that knows an sshd by another port, as of a proxy before it. */
export async function rewriteKnownHosts(
  sshd: { readonly knownHosts: string; readonly port: number },
  port: number,
): Promise<string> {
  const path = `${sshd.knownHosts}_${port}`
  const known = await readFile(sshd.knownHosts, 'utf8')
  await writeFile(path, known.replaceAll(`:${sshd.port} `, `:${port} `))
  return path
}
