import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { attempt } from './failure.ts'
import { openPrivate } from './private-file.ts'

/**
 * A lock on an open file: the kernel frees it when the process ends, however it ends. Two openings of one
 * file exclude each other within a process too, and children do not inherit it, since Node.js opens every
 * file with O_CLOEXEC. Not for NFS.
 */
export interface KernelLock extends AsyncDisposable {
  readonly file: FileHandle
  /** Takes the lock unless it is held. */
  tryTake(): boolean
  release(): void
}

/** Opens the lock file, made when absent and never replaced: a lock belongs to an inode, not to a name. */
export async function openLock(path: string): Promise<KernelLock> {
  const { tryLock, unlock } = await import('fs-native-extensions')
  const file = await openPrivate(path, constants.O_RDWR | constants.O_CREAT)
  if (!file) throw new Error(`${path} was removed while it was opened`)
  return {
    file,
    tryTake: () => tryLock(file.fd),
    release: () => unlock(file.fd),
    [Symbol.asyncDispose]: () => attempt('closing', path, () => file.close()),
  }
}
