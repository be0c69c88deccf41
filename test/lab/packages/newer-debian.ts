import { execFile } from 'node:child_process'
import { access, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The suite that is known to have what the lab wants comes first: each one costs a 10 MB index. */
const suites = ['forky', 'sid', 'trixie']

export interface Wanted {
  readonly package: string
  /** Debian version, compared by dpkg: `2.10`. */
  readonly atLeast: string
}

/**
 * Unpacks a package of a newer Debian suite into the cache, without installing it, and returns the folder
 * that holds its `usr`. The source list is derived from the machine's own Debian source, so mirror, proxy and
 * signature checks are the machine's; later calls cost nothing. Throws when no suite has the version.
 */
export async function unpackFromNewerDebian({ package: name, atLeast }: Wanted): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'certs-lab')
  const folder = join(cache, `${name}-${atLeast}`)
  if (await exists(folder)) return folder

  await mkdir(cache, { recursive: true })
  await removeAbandoned(cache)
  const work = await mkdtemp(join(cache, '.fetch-'))
  try {
    const source = await debianSource()
    const seen: string[] = []
    for (const suite of suites) {
      const apt = await aptFor(suite, { source, work })
      const version = await candidate(name, apt)
      seen.push(`${suite} ${version ?? 'none'}`)
      if (version === undefined || !(await isAtLeast(version, atLeast))) continue
      await run('apt-get', [...apt, '-qq', 'download', `${name}=${version}`], { cwd: work })
      await run('sh', ['-c', 'dpkg -x *.deb tree'], { cwd: work })
      // Another process may have been quicker; its tree is the same.
      await rename(join(work, 'tree'), folder).catch(async (error: unknown) => {
        if (!(await exists(folder))) throw error
      })
      return folder
    }
    throw new Error(`no Debian suite at ${source.uri} has ${name} ${atLeast} or newer: ${seen.join(', ')}`)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Folders of fetches that were killed. */
async function removeAbandoned(cache: string): Promise<void> {
  const hourAgo = Date.now() - 3_600_000
  for (const name of await readdir(cache)) {
    if (!name.startsWith('.fetch-')) continue
    const path = join(cache, name)
    const { mtimeMs } = await stat(path)
    if (mtimeMs < hourAgo) await rm(path, { recursive: true, force: true })
  }
}

interface Source {
  readonly uri: string
  readonly signedBy: string
}

/** The machine's Debian archive, as apt itself understands its configuration. */
async function debianSource(): Promise<Source> {
  const format = '$(REPO_URI)|$(LABEL)|$(SIGNED_BY)'
  const { stdout } = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'])
  for (const line of stdout.split('\n')) {
    const [uri, label, signedBy] = line.split('|')
    if (uri === undefined || signedBy === undefined) continue
    if (label !== 'Debian' && !/\/debian\/?$/.test(uri)) continue
    const keyring = signedBy.startsWith('/') ? signedBy : '/usr/share/keyrings/debian-archive-keyring.gpg'
    return { uri, signedBy: keyring }
  }
  throw new Error('the lab needs a Debian package source in /etc/apt/sources.list or sources.list.d')
}

/** Options that give apt lists and sources of its own; everything else stays as the machine has it. */
async function aptFor(suite: string, { source, work }: { source: Source; work: string }): Promise<string[]> {
  const home = join(work, suite)
  await mkdir(join(home, 'lists', 'partial'), { recursive: true })
  await mkdir(join(home, 'sources'))
  const stanza = [
    'Types: deb',
    `URIs: ${source.uri}`,
    `Suites: ${suite}`,
    'Components: main',
    `Signed-By: ${source.signedBy}`,
  ]
  await writeFile(join(home, 'sources', 'newer.sources'), `${stanza.join('\n')}\n`)
  const settings = {
    'Dir::Etc::SourceList': '/dev/null',
    'Dir::Etc::SourceParts': join(home, 'sources'),
    'Dir::State::Lists': join(home, 'lists'),
    'Dir::Cache': home,
    'APT::Sandbox::User': 'root',
    'APT::Update::Error-Mode': 'any',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
  }
  const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`])
  await run('apt-get', [...options, '-qq', 'update'])
  return options
}

async function candidate(name: string, apt: readonly string[]): Promise<string | undefined> {
  const { stdout } = await run('apt-cache', [...apt, 'madison', name])
  return stdout.split('\n')[0]?.split('|')[1]?.trim()
}

async function isAtLeast(version: string, wanted: string): Promise<boolean> {
  return run('dpkg', ['--compare-versions', version, 'ge', wanted]).then(
    () => true,
    () => false,
  )
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
