import { chmod, chown, lstat, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openFiles } from '../../src/state/files.ts'
import { issueVersion } from '../support/issue-version.ts'
import { start } from '../support/strace.ts'
import { writer } from './writer.ts'

const name = 'media.hachyderm.io'
const root = process.getuid?.() === 0
let parent: string
let folder: string
let version: string
let count = 0

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'certs-folder-'))
  version = join(parent, 'version.json')
  const issued = await issueVersion(name, 2)
  await writeFile(version, JSON.stringify({ ...issued, key: issued.key.reveal() }))
})
afterAll(() => rm(parent, { recursive: true }))
beforeEach(() => {
  folder = join(parent, `state-${count++}`)
})

async function run(command: readonly string[]) {
  const started = await start(command, { VERSION: version })
  started.go()
  await started.ended()
  return started
    .lines()
    .map((line): { ok: boolean; name?: string; error?: string; hints?: string[] } => JSON.parse(line))
}

/** A command that runs as it stands after `before` in a shell. */
const after = (before: string, command: readonly string[]) => [
  'sh',
  '-c',
  `${before}; exec "$@"`,
  'sh',
  ...command,
]

async function everything(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true })
  return Promise.all(
    ['', ...entries].toSorted().map(async (entry) => {
      const { ino, mode, mtimeMs, size } = await lstat(join(path, entry))
      return `${entry} ${ino} ${mode.toString(8)} ${size} ${mtimeMs}`
    }),
  )
}

async function readAll(): Promise<void> {
  await using store = await openFiles(folder)
  await store.get('orders/a')
  await store.list('orders')
  await store.getVersion(name, 2)
  await store.listVersions(name)
  await store.highestNumber(name)
  for await (const line of store.journal()) expect(line.serial).toBeGreaterThan(0)
}

describe('reading', () => {
  test('makes nothing', async () => {
    await readAll()
    expect(await readdir(parent)).not.toContain(folder.slice(parent.length + 1))
  })

  test('changes nothing', async () => {
    expect(await run(writer(folder, 'put,version,append'))).toEqual([
      { ok: true },
      { ok: true },
      { ok: true },
    ])
    const before = await everything(folder)
    expect(before.length).toBeGreaterThan(15)
    await readAll()
    expect(await everything(folder)).toEqual(before)
  })
})

describe('what is written', () => {
  test.each(['000', '022', '077'])('is open to its owner alone under umask %s', async (mask) => {
    const nested = join(folder, 'made/too')
    expect(await run(after(`umask ${mask}`, writer(nested, 'put,version,append')))).toHaveLength(3)
    const modes = new Set<string>()
    for (const entry of ['', ...(await readdir(folder, { recursive: true }))]) {
      const found = await lstat(join(folder, entry))
      if (!found.isSymbolicLink()) modes.add(`${found.isDirectory()} ${(found.mode & 0o7777).toString(8)}`)
    }
    expect([...modes].toSorted()).toEqual(['false 600', 'true 700'])
  })
})

describe('a place that others could open', () => {
  test('is refused with the command that mends it: the folder', async () => {
    await mkdir(folder, { mode: 0o755 })
    await expect(openFiles(folder)).rejects.toMatchObject({
      name: 'StateError',
      message: `others may open ${folder}: its mode is 755`,
      hints: [`chmod 700 ${folder}`, expect.any(String)],
    })
    expect(await readdir(folder)).toEqual([])
  })

  test.each([
    ['documents/orders/a.json', (path: string) => chmod(path, 0o640)],
    ['archive/media.hachyderm.io/privkey2.pem', (path: string) => chmod(path, 0o604)],
    ['journal.ndjson', (path: string) => chmod(path, 0o644)],
  ])('is refused with the command that mends it: %s', async (file, loosen) => {
    await run(writer(folder, 'put,version,append'))
    await loosen(join(folder, file))
    await expect(readAll()).rejects.toMatchObject({
      name: 'StateError',
      hints: [`chmod 600 ${join(folder, file)}`, expect.any(String)],
    })
  })

  test.skipIf(!root)('is refused when somebody else owns it', async () => {
    await mkdir(folder, { mode: 0o700 })
    await chown(folder, 65534, 65534)
    await expect(openFiles(folder)).rejects.toThrow(`${folder} belongs to uid 65534, and certs runs as uid 0`)
  })

  test('is refused when a link stands where a secret belongs', async () => {
    await run(writer(folder, 'put,append'))
    const path = join(folder, 'documents/orders/a.json')
    await rm(path)
    await symlink('../../journal.ndjson', path)
    await expect(readAll()).rejects.toThrow(
      `opening ${path} failed: too many symbolic links encountered (ELOOP)`,
    )
  })

  test('is refused when the place is a file', async () => {
    await writeFile(folder, '')
    await expect(openFiles(folder)).rejects.toThrow(`opening ${folder} failed: it is not a folder`)
  })
})

/** In a mount namespace of its own, so that nothing is left behind. */
const onTmpfs = (options: string, before: string, command: readonly string[]) => {
  const mount = `mount -t tmpfs -o mode=700,${options} certs-test ${folder}`
  return ['unshare', '--mount', '--propagation', 'private', ...after(`${mount} && ${before}`, command)]
}

describe.skipIf(!root)('on a disk that refuses', () => {
  beforeEach(() => mkdir(folder, { mode: 0o700 }))

  test('a full one is a StateError that names the file; what was there stays, and small writes go on', async () => {
    const list = 'put,large,version,put,append'
    const [, large, ...rest] = await run(onTmpfs('size=256k', 'true', writer(folder, list)))
    expect(large).toMatchObject({
      name: 'StateError',
      error: `StateError: writing ${folder}/documents/orders/large.json failed: no space left on device (ENOSPC)`,
      hints: [expect.stringContaining(`df -h ${folder}`)],
    })
    expect(rest).toEqual([{ ok: true }, { ok: true }, { ok: true }])
  })

  test('one that is full from the start fails each write and lies about none', async () => {
    const fill = `{ dd if=/dev/zero of=${folder}/fill bs=4k 2>/dev/null; chmod 600 ${folder}/fill; }`
    const results = await run(onTmpfs('size=64k', fill, writer(folder, 'put,version,append')))
    expect(results).toHaveLength(3)
    for (const result of results) expect(result).toMatchObject({ ok: false, name: 'StateError' })
  })

  test('a read-only one is a StateError that names it', async () => {
    const results = await run(onTmpfs('ro', 'true', writer(folder, 'put,version,append,hold')))
    expect(results).toHaveLength(4)
    for (const result of results) {
      expect(result).toMatchObject({ ok: false, name: 'StateError' })
      expect(result.error).toMatch(new RegExp(`${folder}.* failed: read-only file system \\(EROFS\\)`))
      expect(result.hints?.[0]).toContain('findmnt -T')
    }
  })
})
