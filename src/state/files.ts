import { join, resolve } from 'node:path'
import { documentsIn } from './documents.ts'
import { durableWrite, makeFolder } from './durable-write.ts'
import { journalIn } from './journal.ts'
import { keysIn } from './kept-keys.ts'
import { checkName } from './key.ts'
import { checkPrivateFolder } from './private-file.ts'
import { takeLock } from './run-lock.ts'
import type { Store } from './store.ts'
import { turnsOf } from './turns.ts'
import { clearVault } from './vault.ts'
import type { Vault } from './vault.ts'
import { versionKeysIn } from './version-keys.ts'
import { versionsIn } from './versions.ts'

/**
 * State in a folder of its own (0700, files 0600): `documents/`, `archive/` and `live/` as certbot has them,
 * `journal.ndjson`, `locks/`. Reading makes nothing; the folder comes into being with the first write.
 * Throws StateError when others could open the folder.
 */
export async function openFiles(path: string, vault: Vault = clearVault): Promise<Store> {
  const folder = resolve(path)
  const temporary = join(folder, 'tmp')
  await checkPrivateFolder(folder)
  const turns = turnsOf(folder, temporary)
  const write = durableWrite(temporary)
  return {
    place: folder,
    ...documentsIn(folder, turns, write),
    ...versionsIn(folder, { turns, write, vault }),
    ...versionKeysIn(folder, { turns, write, vault }),
    keys: keysIn(vault),
    ...journalIn(join(folder, 'journal.ndjson'), turns),
    async lock(name, holder) {
      await makeFolder(folder)
      await checkPrivateFolder(folder)
      return takeLock(folder, checkName(name), holder)
    },
    [Symbol.asyncDispose]: () => turns[Symbol.asyncDispose](),
  }
}
