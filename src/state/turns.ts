import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { StateError } from '../core/errors.ts'
import { makeFolder } from './durable-write.ts'
import { attempt, isLostSync, quote } from './failure.ts'
import { openLock } from './kernel-lock.ts'
import type { KernelLock } from './kernel-lock.ts'
import { checkPrivateFolder } from './private-file.ts'

const patienceMs = 20_000
const pollMs = 2

/** One write at a time, among all processes: what is read in a turn is still so when it is written. */
export interface Turns extends AsyncDisposable {
  take<T>(work: () => Promise<T>): Promise<T>
}

/**
 * The first turn makes the folder and removes what dead runs left in `temporaryFolder`: in a turn of ours
 * nobody else has anything there. After a failed fsync there are no more turns.
 */
export function turnsOf(folder: string, temporaryFolder: string): Turns {
  let last: Promise<unknown> = Promise.resolve()
  let lock: KernelLock | undefined
  let swept = false
  let lost: StateError | undefined

  const turn = async <T>(work: () => Promise<T>): Promise<T> => {
    lock ??= await openTurns(folder, temporaryFolder)
    await takePatiently(lock, folder)
    try {
      if (!swept) await sweep(temporaryFolder)
      swept = true
      return await work()
    } finally {
      lock.release()
    }
  }

  const turnUnlessLost = async <T>(work: () => Promise<T>): Promise<T> => {
    if (lost) throw lost
    try {
      return await turn(work)
    } catch (error) {
      if (isLostSync(error)) lost = error
      throw error
    }
  }

  return {
    take(work) {
      const mine = last.then(() => turnUnlessLost(work))
      last = mine.catch(() => {})
      return mine
    },
    async [Symbol.asyncDispose]() {
      await last
      await lock?.[Symbol.asyncDispose]()
      lock = undefined
    },
  }
}

async function openTurns(folder: string, temporaryFolder: string): Promise<KernelLock> {
  await makeFolder(folder)
  await checkPrivateFolder(folder)
  await makeFolder(temporaryFolder)
  return openLock(join(folder, 'write.lock'))
}

// Polled and not waited for in the kernel: that would block one of the threads the holder's fsync needs.
async function takePatiently(lock: KernelLock, folder: string): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!lock.tryTake()) {
    if (performance.now() > deadline) {
      throw new StateError(
        `writing to ${folder} failed: another process is writing for ${patienceMs / 1000} s`,
        {
          hint: `see which: fuser -v ${quote(join(folder, 'write.lock'))}`,
        },
      )
    }
    await wait(pollMs)
  }
}

async function sweep(temporaryFolder: string): Promise<void> {
  await attempt('cleaning', temporaryFolder, async () => {
    for (const name of await readdir(temporaryFolder)) {
      await rm(join(temporaryFolder, name), { recursive: true, force: true })
    }
  })
}
