/**
 * A run of its own for tests that kill, starve or race it: `node writer.ts FOLDER ACT`. It says `ready`,
 * waits for a line, acts, and says the result as one JSON line.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import 'age-encryption'
import 'fs-native-extensions'
import { CertsError, LockedError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { openFiles } from '../../src/state/files.ts'
import type { Store } from '../../src/state/store.ts'
import { openVault } from '../../src/state/vault.ts'

export const acts = {
  /** Puts a second value at `orders/a`, whatever stands there. */
  async put(store: Store) {
    const found = await store.get('orders/a')
    await store.put('orders/a', newValue, found?.revision)
  },
  async remove(store: Store) {
    await store.remove('orders/a')
  },
  async append(store: Store) {
    const at = new Date().toISOString()
    await store.append({ at, run: 'r', certificate: 'c', action: 'order', phase: 'intent' })
  },
  /** Adds the version whose PEM stands in VERSION. */
  async version(store: Store) {
    const { key, ...rest } = JSON.parse(await readFile(process.env['VERSION'] ?? '', 'utf8'))
    await store.addVersion({ ...rest, key: new Secret(key) })
  },
  /** Writes the first version's key anew: sealed, where SEAL_TO is set. */
  async rewrite(store: Store) {
    await store.rewriteKey('media.hachyderm.io', 1)
  },
  /** A document too large for a small disk. */
  async large(store: Store) {
    await store.put('orders/large', 'x'.repeat(1_000_000), undefined)
  },
  /** Takes the lock, starts a child that outlives us, and stays until it is killed or its starter is. */
  async hold(store: Store) {
    await store.lock('run', { command: 'certs hold', since: '2026-11-23T12:00:05Z' })
    const child = spawn('sleep', ['20'], { detached: true, stdio: 'ignore' })
    say({ child: child.pid })
    await once(process.stdin.resume(), 'close')
  },
  /** Takes the lock 20 times; fails when somebody else is inside at the same time. */
  async race(store: Store) {
    const inside = join(store.place, 'inside')
    for (let taken = 0; taken < 20;) {
      try {
        await using _held = await store.lock('run', { command: `race ${process.pid}`, since: 'now' })
        const file = await open(inside, 'wx', 0o600)
        await file.close()
        await unlink(inside)
        taken++
      } catch (error) {
        if (!(error instanceof LockedError)) throw error
      }
      await wait(1)
    }
  },
}

export const newValue = { url: 'https://ca.test/order/2', tries: 2 }

export type Act = keyof typeof acts

/** The command line of a run that does the listed acts, as `put` or `put,append`. */
export function writer(folder: string, list: string): string[] {
  return [process.execPath, import.meta.filename, folder, list]
}

export type Result =
  | { readonly ok: true; readonly child?: number }
  | { readonly ok: false; readonly error: string; readonly name: string; readonly hints: readonly string[] }

function say(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

/** Seals to SEAL_TO, and opens with IDENTITY. */
function vaultFrom({ SEAL_TO, IDENTITY = '' }: NodeJS.ProcessEnv) {
  const recipients = SEAL_TO === undefined ? [] : [SEAL_TO]
  return openVault({ recipients, identity: () => Promise.resolve(new Secret(IDENTITY)) })
}

async function run(folder: string, names: string): Promise<void> {
  process.stdout.write('ready\n')
  // The end without a line: who started this is gone.
  const [line] = await Promise.race([once(process.stdin, 'data'), once(process.stdin, 'end').then(() => [])])
  if (line === undefined) return
  const store = await openFiles(folder, vaultFrom(process.env)).catch((error: unknown) => error)
  await using opened = new AsyncDisposableStack()
  if (!(store instanceof Error)) opened.use(store as Store)
  for (const name of names.split(',') as Act[]) {
    try {
      if (store instanceof Error) throw store
      await acts[name](store as Store)
      say({ ok: true })
    } catch (error) {
      const hints = error instanceof CertsError ? error.hints : []
      say({ ok: false, error: String(error), name: error instanceof CertsError ? error.name : 'bug', hints })
    }
  }
  process.stdin.destroy()
}

const [, program, folder, names] = process.argv
if (program === import.meta.filename && folder && names) await run(folder, names)
