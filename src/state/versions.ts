import { readlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileKinds, filesOf, normalizePem, secretSumsOf, sha256 } from '../core/certificate.ts'
import type { FileKind } from '../core/certificate.ts'
import { StateError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { archived, archivedNow, completeOf, fileName, highestOf } from './archive.ts'
import type { DurableWrite } from './durable-write.ts'
import { attempt, isMissing } from './failure.ts'
import { checkName } from './key.ts'
import { differs, refuseForeignKey } from './key-proof.ts'
import { readPrivate, readPrivateNow } from './private-file.ts'
import { isSealed, readSeal } from './seal.ts'
import type { Newest, Store } from './store.ts'
import type { Turns } from './turns.ts'
import type { Vault } from './vault.ts'

export interface VersionMeans {
  readonly turns: Turns
  readonly write: DurableWrite
  readonly vault: Vault
}

/**
 * certbot's shape: `archive/NAME/KINDN.pem`, never changed, and links in `live/NAME` to the newest version.
 * A version is complete when its four files are there; each of them is whole when it is there.
 * privkey is PEM, or armored age text of it.
 */
export function versionsIn(
  folder: string,
  { turns, write, vault }: VersionMeans,
): Pick<
  Store,
  'addVersion' | 'getVersion' | 'getPublicVersion' | 'listVersions' | 'newest' | 'highestNumber'
> {
  const archive = (certificate: string) => join(folder, 'archive', checkName(certificate))
  const live = (certificate: string) => join(folder, 'live', checkName(certificate))
  const pathOf = (certificate: string, kind: FileKind, number: number) =>
    join(archive(certificate), fileName(kind, number))

  const listVersions = async (certificate: string) => completeOf(await archived(archive(certificate)))

  const pointLive = async (certificate: string) => {
    const newest = (await listVersions(certificate)).at(-1)
    const targets = new Map<string, string>()
    for (const kind of fileKinds) {
      const target = `../../archive/${certificate}/${kind}${newest}.pem`
      if ((await linkAt(join(live(certificate), `${kind}.pem`))) !== target)
        targets.set(`${kind}.pem`, target)
    }
    await write.relink(live(certificate), targets)
  }

  const holds = async (found: string, pem: string, path: string): Promise<boolean> => {
    if (!isSealed(found)) return found === pem
    const sum = readSeal(found)?.sums.privkey
    return sum === undefined ? normalizePem(await vault.open(found, path)) === pem : sum === sha256(pem)
  }

  const readTexts = async (certificate: string, number: number) => {
    const read = async (kind: FileKind) => {
      const path = pathOf(certificate, kind, number)
      return [path, (await readPrivate(path))?.toString('utf8')] as const
    }
    const [[keyPath, key], [leafPath, leaf], [, chain], [fullPath, fullchain]] = await Promise.all([
      read('privkey'),
      read('cert'),
      read('chain'),
      read('fullchain'),
    ])
    if (key === undefined || leaf === undefined || chain === undefined || fullchain === undefined) {
      return undefined
    }
    if (fullchain !== leaf + chain) throw differs(fullPath, leafPath)
    return { parts: { certificate, number, leaf, chain }, key, paths: { key: keyPath, leaf: leafPath } }
  }

  return {
    listVersions,

    async addVersion(version) {
      const { certificate, number } = version
      const bytes = filesOf(version)
      const [key, leaf] = [pathOf(certificate, 'privkey', number), pathOf(certificate, 'cert', number)]
      refuseForeignKey(bytes.privkey, bytes.cert, { key, leaf })
      const written = { ...bytes, privkey: await vault.seal(bytes.privkey, secretSumsOf(bytes)) }
      await turns.take(async () => {
        const missing = new Map<string, string>()
        for (const kind of fileKinds) {
          const path = pathOf(certificate, kind, number)
          const found = (await readPrivate(path))?.toString('utf8')
          if (found === undefined) missing.set(basename(path), written[kind])
          else if (!(await holds(found, bytes[kind], path))) throw taken(certificate, number, path)
        }
        await write.create(archive(certificate), missing)
        await pointLive(certificate)
      })
    },

    async getVersion(certificate, number) {
      const found = await readTexts(certificate, number)
      if (!found) return undefined
      const { parts, key, paths } = found
      const pem = await vault.open(key, paths.key)
      refuseForeignKey(pem, parts.leaf, paths)
      const sum = isSealed(key) ? readSeal(key)?.sums.privkey : undefined
      if (sum !== undefined && sum !== sha256(normalizePem(pem))) throw differs(paths.key, paths.leaf)
      return { ...parts, key: new Secret(pem) }
    },

    async getPublicVersion(certificate, number) {
      const found = await readTexts(certificate, number)
      if (!found) return undefined
      const { parts, key, paths } = found
      if (isSealed(key)) return { ...parts, secretSums: readSeal(key)?.sums ?? {} }
      refuseForeignKey(key, parts.leaf, paths)
      const fullchain = parts.leaf + parts.chain
      return { ...parts, secretSums: secretSumsOf({ privkey: normalizePem(key), fullchain }) }
    },

    // Read without yielding: a promise for each of ten thousand small files costs more than the files.
    newest: (certificates) =>
      attempt('reading', join(folder, 'archive'), async () => {
        const found = new Map<string, Newest>()
        for (const certificate of certificates) {
          const files = archivedNow(archive(certificate))
          if (files.length === 0) continue
          const number = completeOf(files).at(-1)
          const leaf = number === undefined ? undefined : readPrivateNow(pathOf(certificate, 'cert', number))
          const version = number === undefined || leaf === undefined ? {} : { version: { number, leaf } }
          found.set(certificate, { ...version, highest: highestOf(files) })
        }
        return found
      }),

    highestNumber: async (certificate) => highestOf(await archived(archive(certificate))),
  }
}

async function linkAt(path: string): Promise<string | undefined> {
  return attempt('reading the link', path, () => readlink(path).catch(allowMissing))
}

function taken(certificate: string, number: number, path: string): StateError {
  return new StateError(`adding version ${number} of ${certificate} failed: ${path} has other bytes`, {
    hint: 'a version is never changed; run again for the next number',
  })
}

function allowMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}
