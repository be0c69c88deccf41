import type { Dirent } from 'node:fs'
import { readdir, unlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { sha256 } from '../core/certificate.ts'
import { StateError } from '../core/errors.ts'
import { syncFolder } from './durable-write.ts'
import type { DurableWrite } from './durable-write.ts'
import { attempt, isMissing, quote } from './failure.ts'
import { checkKey } from './key.ts'
import { plainJson } from './plain-json.ts'
import { readPrivate } from './private-file.ts'
import type { Document, Store } from './store.ts'
import type { Turns } from './turns.ts'

/**
 * `documents/KEY.json` holds `{"sha256":"…","value":…}`. The sum is over the value's bytes as they stand in
 * the file; it is the revision too.
 */
export function documentsIn(
  folder: string,
  turns: Turns,
  write: DurableWrite,
): Pick<Store, 'get' | 'put' | 'remove' | 'list'> {
  const root = join(folder, 'documents')
  const pathOf = (key: string) => join(root, `${checkKey(key)}.json`)

  const get = async <T>(key: string): Promise<Document<T> | undefined> => {
    const path = pathOf(key)
    const bytes = await readPrivate(path)
    return bytes && decode<T>(bytes, path)
  }

  return {
    get,

    async put(key, value, revision) {
      const path = pathOf(key)
      const text = plainJson(value, 2)
      return turns.take(async () => {
        const found = await get(key)
        if (found?.revision !== revision) throw changed(key, path)
        await write.replace(path, frame(text))
        return sha256(text)
      })
    },

    async remove(key) {
      const path = pathOf(key)
      if (!(await readPrivate(path))) return
      await turns.take(async () => {
        await attempt('removing', path, () => unlink(path).catch(allowMissing))
        await syncFolder(dirname(path))
      })
    },

    async list(prefix) {
      const top = join(root, checkKey(prefix))
      const entries = await attempt('listing', top, () =>
        readdir(top, { recursive: true, withFileTypes: true }).catch(allowMissing),
      )
      return (entries ?? []).filter(isDocument).map(keyOf).toSorted()
    },
  }

  function keyOf(entry: Dirent): string {
    return relative(root, join(entry.parentPath, entry.name)).slice(0, -'.json'.length)
  }
}

function isDocument(entry: Dirent): boolean {
  return entry.isFile() && entry.name.endsWith('.json')
}

const opening = /^\{"sha256":"([0-9a-f]{64})","value":$/
const openingLength = 85
const closing = '}\n'

function frame(text: string): string {
  return `{"sha256":"${sha256(text)}","value":${text}${closing}`
}

function decode<T>(bytes: Buffer, path: string): Document<T> {
  const revision = opening.exec(bytes.toString('latin1', 0, openingLength))?.[1]
  const text = bytes.subarray(openingLength, -closing.length)
  const end = bytes.toString('latin1', bytes.length - closing.length)
  if (revision === undefined || end !== closing || sha256(text) !== revision) throw damaged(path)
  const value: T = JSON.parse(text.toString('utf8'))
  return { value, revision }
}

function damaged(path: string): StateError {
  return new StateError(`reading ${path} failed: its checksum does not match, so it was damaged or edited`, {
    hint: [
      'restore it from a backup',
      `without one, put it aside and what it held is made anew: mv ${quote(path)} ${quote(`${path}.damaged`)}`,
    ],
  })
}

function changed(key: string, path: string): StateError {
  return new StateError(`writing the document ${key} failed: somebody wrote ${path} in between`, {
    hint: 'run again: it starts from what is there now',
  })
}

function allowMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}
