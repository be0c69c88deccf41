import { createPrivateKey } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { normalizePem, secretSumsOf } from '../core/certificate.ts'
import type { FileKind } from '../core/certificate.ts'
import { StateError } from '../core/errors.ts'
import { archivedNow, fileName } from './archive.ts'
import { attempt, isMissing, quote } from './failure.ts'
import { checkName } from './key.ts'
import { refuseForeignKey } from './key-proof.ts'
import { readPrivate, readPrivateNow } from './private-file.ts'
import type { Store } from './store.ts'
import type { VersionMeans } from './versions.ts'

/** The keys of versions as files, also of versions that are not complete and of certificates that nobody configures. */
export function versionKeysIn(
  folder: string,
  { turns, write, vault }: VersionMeans,
): Pick<Store, 'listKeys' | 'rewriteKey'> {
  const archive = join(folder, 'archive')
  const pathOf = (certificate: string, kind: FileKind, number: number) =>
    join(archive, checkName(certificate), fileName(kind, number))

  return {
    // At once, as `newest` is read.
    listKeys: () =>
      attempt('reading', archive, async () =>
        foldersIn(archive).flatMap((certificate) =>
          archivedNow(join(archive, certificate)).flatMap(({ kind, number }) => {
            const text = kind === 'privkey' ? readPrivateNow(pathOf(certificate, kind, number)) : undefined
            return text === undefined ? [] : [{ certificate, number, form: vault.judge(text) }]
          }),
        ),
      ),

    async rewriteKey(certificate, number) {
      const path = pathOf(certificate, 'privkey', number)
      const before = (await readPrivate(path))?.toString('utf8')
      if (before === undefined) return
      const pem = normalizePem(await vault.open(before, path))
      const leafPath = pathOf(certificate, 'cert', number)
      const leaf = (await readPrivate(leafPath))?.toString('utf8')
      if (leaf === undefined) refuseUnlessKey(pem, path)
      else refuseForeignKey(pem, leaf, { key: path, leaf: leafPath })
      const fullchain = (await readPrivate(pathOf(certificate, 'fullchain', number)))?.toString('utf8')
      const sums = fullchain === undefined ? undefined : secretSumsOf({ privkey: pem, fullchain })
      const text = await vault.seal(pem, sums)
      await turns.take(async () => {
        if ((await readPrivate(path))?.toString('utf8') !== before) throw changed(path)
        await write.replace(path, text)
      })
    },
  }
}

function foldersIn(path: string): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true })
    return entries.flatMap((entry) => (entry.isDirectory() ? entry.name : [])).toSorted()
  } catch (error) {
    if (!isMissing(error)) throw error
    return []
  }
}

function refuseUnlessKey(pem: string, path: string): void {
  try {
    createPrivateKey(pem)
  } catch {
    throw new StateError(`reading ${path} failed: there is no key in it`, {
      hint: `no version needs it, since the others of its files are missing: ls -l ${quote(path)}`,
    })
  }
}

function changed(path: string): StateError {
  return new StateError(`writing ${path} failed: somebody wrote it in between`, {
    hint: 'run again: it starts from what is there now',
  })
}
