import { link, mkdir, open, rename, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { attempt, isMissing, isPresent } from './failure.ts'
import { privateFileMode, privateFolderMode } from './private-file.ts'

/**
 * How a file comes to its name: whole and on the disk before it is visible, and the name on the disk when
 * the promise resolves. Folders are made as needed. Temporary files stand in one folder of their own, so
 * that what a dead run left is found without a search.
 */
export interface DurableWrite {
  /** Puts `bytes` under `path`, replacing what is there. */
  replace(path: string, bytes: string): Promise<void>
  /** Puts bytes under each name in the folder, in the order given; fails on one that exists. */
  create(folder: string, files: ReadonlyMap<string, string>): Promise<void>
  /** Makes each name in the folder a link to its target, one replaced after the other. */
  relink(folder: string, targets: ReadonlyMap<string, string>): Promise<void>
}

interface Staged {
  readonly name: string
  readonly path: string
}

export function durableWrite(temporaryFolder: string): DurableWrite {
  let count = 0
  const temporary = (path: string) => join(temporaryFolder, `${basename(path)}.${process.pid}.${count++}`)

  const stage = async (path: string, bytes: string): Promise<Staged> => {
    const name = temporary(path)
    try {
      await attempt('writing', path, async () => {
        await using handle = await open(name, 'wx', privateFileMode)
        await handle.writeFile(bytes)
        await handle.sync()
      })
    } catch (error) {
      await discard(name)
      throw error
    }
    return { name, path }
  }

  return {
    async replace(path, bytes) {
      await makeFolder(dirname(path))
      const { name } = await stage(path, bytes)
      try {
        await attempt('writing', path, () => rename(name, path))
      } catch (error) {
        await discard(name)
        throw error
      }
      await syncFolder(dirname(path))
    },

    async create(folder, files) {
      await makeFolder(folder)
      const staging = [...files].map(([name, bytes]) => stage(join(folder, name), bytes))
      const staged = await Promise.allSettled(staging)
      try {
        for (const { name, path } of staged.map(valueOf)) {
          // link and not rename: it can't overwrite.
          await attempt('writing', path, () => link(name, path))
        }
      } finally {
        for (const result of staged) if (result.status === 'fulfilled') await discard(result.value.name)
      }
      await syncFolder(folder)
    },

    async relink(folder, targets) {
      await makeFolder(folder)
      for (const [entry, target] of targets) {
        const path = join(folder, entry)
        const name = temporary(path)
        try {
          await attempt('linking', path, async () => {
            await symlink(target, name)
            await rename(name, path)
          })
        } catch (error) {
          await discard(name)
          throw error
        }
      }
      await syncFolder(folder)
    },
  }
}

/** Makes the folder and those above it that are missing, for the owner alone, durably. */
export async function makeFolder(path: string): Promise<void> {
  // Not mkdir's `recursive`: it calls a read-only file system a missing one.
  if (await makeOne(path)) return
  await makeFolder(dirname(path))
  await makeOne(path)
}

/** False when the folder above is missing. */
async function makeOne(path: string): Promise<boolean> {
  return attempt('making', path, async () => {
    try {
      await mkdir(path, { mode: privateFolderMode })
    } catch (error) {
      if (isPresent(error)) return true
      if (isMissing(error) && dirname(path) !== path) return false
      throw error
    }
    await syncFolder(dirname(path))
    return true
  })
}

export async function syncFolder(path: string): Promise<void> {
  await attempt('writing', path, async () => {
    await using handle = await open(path, 'r')
    await handle.sync()
  })
}

function valueOf<T>(result: PromiseSettledResult<T>): T {
  if (result.status === 'rejected') throw result.reason
  return result.value
}

async function discard(temporary: string): Promise<void> {
  await rm(temporary, { force: true }).catch(() => {})
}
