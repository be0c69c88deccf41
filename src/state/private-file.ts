import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { StateError } from '../core/errors.ts'
import { attempt, isMissing, quote } from './failure.ts'

export const privateFolderMode = 0o700
export const privateFileMode = 0o600

/** The bytes, or undefined when there is no such file. A file that others could read or own is refused. */
export async function readPrivate(path: string): Promise<Buffer | undefined> {
  await using handle = await openPrivate(path, constants.O_RDONLY)
  return handle && (await attempt('reading', path, () => handle.readFile()))
}

/** The same as text, at once and for many small files: what the system refuses is thrown as it comes. */
export function readPrivateNow(path: string): string | undefined {
  let descriptor: number
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    return absent(error)
  }
  try {
    refuseStrangers(path, fstatSync(descriptor))
    return readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
}

/** Opens without following a link at the end; undefined when the file is absent and `flags` do not make it. */
export async function openPrivate(path: string, flags: number): Promise<FileHandle | undefined> {
  return attempt('opening', path, async () => {
    const handle = await open(path, flags | constants.O_NOFOLLOW, privateFileMode).catch(absent)
    if (!handle) return undefined
    try {
      refuseStrangers(path, await handle.stat())
      return handle
    } catch (error) {
      await handle.close()
      throw error
    }
  })
}

/** Whether the folder is there. One that others could look into or own is refused. */
export async function checkPrivateFolder(path: string): Promise<boolean> {
  const found = await attempt('opening', path, () => stat(path).catch(absent))
  if (!found) return false
  if (!found.isDirectory()) throw new StateError(`opening ${path} failed: it is not a folder`)
  refuseStrangers(path, found)
  return true
}

function refuseStrangers(path: string, found: Stats): void {
  const uid = process.getuid?.()
  if (uid !== undefined && found.uid !== uid) {
    throw new StateError(`${path} belongs to uid ${found.uid}, and certs runs as uid ${uid}`, {
      hint: [`run as its owner, or take it over: chown -R ${uid} ${quote(path)}`],
    })
  }
  if ((found.mode & 0o077) !== 0) {
    const [kind, mode] = found.isDirectory() ? ['folder', '700'] : ['file', '600']
    const is = (found.mode & 0o777).toString(8).padStart(3, '0')
    throw new StateError(`others may open ${path}: its mode is ${is}`, {
      hint: [
        `chmod ${mode} ${quote(path)}`,
        `if others could reach the ${kind}, issue new keys for the certificates in it`,
      ],
    })
  }
}

function absent(error: unknown): undefined {
  if (!isMissing(error)) throw error
}
