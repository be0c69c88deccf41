import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { LockedError } from '../core/errors.ts'
import { printableLine } from '../core/printable.ts'
import { makeFolder } from './durable-write.ts'
import { attempt } from './failure.ts'
import { openLock } from './kernel-lock.ts'
import type { KernelLock } from './kernel-lock.ts'
import type { Holder } from './store.ts'

interface Written extends Holder {
  readonly pid: number
  readonly host: string
}

/** Takes `locks/NAME.lock` in the folder, and writes into it who holds it, for the one who is refused. */
export async function takeLock(folder: string, name: string, holder: Holder): Promise<AsyncDisposable> {
  const path = join(folder, 'locks', `${name}.lock`)
  await makeFolder(join(folder, 'locks'))
  const lock = await openLock(path)
  try {
    if (!lock.tryTake()) throw refusal(folder, name, await readHolder(lock))
    const written: Written = { ...holder, pid: process.pid, host: hostname() }
    await attempt('writing', path, () => overwrite(lock, `${JSON.stringify(written)}\n`))
  } catch (error) {
    await lock[Symbol.asyncDispose]()
    throw error
  }
  let held = true
  return {
    async [Symbol.asyncDispose]() {
      if (!held) return
      held = false
      // Closing frees the lock; an emptied file only spares the next reader an old name.
      await lock.file.truncate(0).catch(() => {})
      await lock[Symbol.asyncDispose]()
    },
  }
}

async function overwrite({ file }: KernelLock, text: string): Promise<void> {
  await file.truncate(0)
  await file.write(text, 0)
}

/** The holder writes its name right after taking the lock, so an empty file is worth a second look. */
async function readHolder({ file }: KernelLock): Promise<Written | undefined> {
  for (let look = 0; look < 5; look++) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(4096), 0, 4096, 0)
    const written = parseHolder(buffer.toString('utf8', 0, bytesRead))
    if (written) return written
    await wait(10)
  }
  return undefined
}

function parseHolder(text: string): Written | undefined {
  try {
    const value: Partial<Written> | null = JSON.parse(text)
    const { command, since, pid, host } = value ?? {}
    return command && since && pid && host ? { command, since, pid, host } : undefined
  } catch {
    return undefined
  }
}

function refusal(folder: string, name: string, holder: Written | undefined): LockedError {
  const lock = `the ${name} lock of ${folder}`
  if (!holder) return new LockedError(`${lock} is held by another run`, { hint: 'wait until it ends' })
  const { pid, host } = holder
  const command = printableLine(holder.command)
  const since = holder.since.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC')
  return new LockedError(`${lock} is held by "${command}" (pid ${pid} on ${host}) since ${since}`, {
    hint: `wait until it ends, or stop it${host === hostname() ? '' : ` on ${host}`}: kill ${pid}`,
  })
}
