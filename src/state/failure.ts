import { getSystemErrorMessage } from 'node:util'
import { StateError } from '../core/errors.ts'

/** Does something with `path`; what the system refuses becomes a StateError that names it and the way out. */
export async function attempt<T>(doing: string, path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (!isSystemError(error)) throw error
    const cause = `${getSystemErrorMessage(error.errno)} (${error.code})`
    throw new StateError(`${doing} ${path} failed: ${cause}`, {
      cause: error,
      hint: wayOut(error.code, path),
    })
  }
}

/**
 * Whether the disk may have lost what was written. The kernel reports a failed fsync once and then calls the
 * pages clean, so a second fsync that succeeds proves nothing.
 */
export function isLostSync(error: unknown): error is StateError {
  return error instanceof StateError && isSystemError(error.cause) && error.cause.syscall === 'fsync'
}

export function isMissing(error: unknown): boolean {
  return isSystemError(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}

export function isPresent(error: unknown): boolean {
  return isSystemError(error) && error.code === 'EEXIST'
}

interface SystemError extends Error {
  readonly code: string
  readonly errno: number
  readonly syscall?: string
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'code' in error && 'errno' in error && typeof error.errno === 'number'
}

function wayOut(code: string, path: string): string[] {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return [`make room, then run again: df -h ${quote(path)}; df -i ${quote(path)}`]
    case 'EACCES':
    case 'EPERM':
      return [`run as the user who owns the state: ls -ld ${quote(path)}`]
    case 'EROFS':
      return [`the file system is mounted read-only: findmnt -T ${quote(path)}`]
    case 'EIO':
      return ['the disk below fails; look at dmesg before anything else']
    case 'ELOOP':
    case 'EINVAL':
    case 'EEXIST':
    case 'EISDIR':
      return [`something else stands there; move it away: ls -ld ${quote(path)}`]
    default:
      return []
  }
}

/** A path as a shell takes it. */
export function quote(path: string): string {
  return /^[\w./@*+:-]+$/.test(path) && !path.includes('*') ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
