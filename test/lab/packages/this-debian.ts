import { execFile } from 'node:child_process'
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * Unpacks packages of the machine's own suite, and those that they need and the machine lacks, into the cache without
 * installing them: no timer of theirs runs, and the lab's hosts, which have this machine's /usr, stay as they are.
 * Returns the folder that holds their `usr`; later calls cost nothing.
 */
export async function unpackFromThisDebian(packages: readonly string[]): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'certs-lab')
  const folder = join(cache, packages.join('+'))
  if (await exists(folder)) return folder

  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, '.fetch-'))
  try {
    const missing = await closure(packages).catch(async () => {
      await run('apt-get', ['-qq', 'update'])
      return closure(packages)
    })
    await run('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', 'download', ...missing], { cwd: work })
    await run('sh', ['-c', 'for deb in *.deb; do dpkg -x "$deb" tree; done'], { cwd: work })
    // Another process may have been quicker; its tree is the same.
    await rename(join(work, 'tree'), folder).catch(async (error: unknown) => {
      if (!(await exists(folder))) throw error
    })
    return folder
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** `NAME=VERSION` of all that an installation would bring, packages that are there already left out. */
async function closure(packages: readonly string[]): Promise<string[]> {
  const { stdout } = await run('apt-get', ['--simulate', '--no-install-recommends', 'install', ...packages])
  const found = [...stdout.matchAll(/^Inst (\S+)(?: \[[^\]]*\])? \((\S+)/gm)]
  return found.map(([, name, version]) => `${name}=${version}`)
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
