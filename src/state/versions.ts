import { createPrivateKey, sign, verify, X509Certificate } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { readdir, readlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileKinds, filesOf } from '../core/certificate.ts'
import type { FileKind } from '../core/certificate.ts'
import { StateError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import type { DurableWrite } from './durable-write.ts'
import { attempt, isMissing, quote } from './failure.ts'
import { checkName } from './key.ts'
import { readPrivate, readPrivateNow } from './private-file.ts'
import type { Newest, Store } from './store.ts'
import type { Turns } from './turns.ts'

/**
 * certbot's shape: `archive/NAME/KINDN.pem`, never changed, and links in `live/NAME` to the newest version.
 * A version is complete when its four files are there; each of them is whole when it is there.
 */
export function versionsIn(
  folder: string,
  turns: Turns,
  write: DurableWrite,
): Pick<Store, 'addVersion' | 'getVersion' | 'listVersions' | 'newest' | 'highestNumber'> {
  const archive = (certificate: string) => join(folder, 'archive', checkName(certificate))
  const live = (certificate: string) => join(folder, 'live', checkName(certificate))
  const pathOf = (certificate: string, kind: FileKind, number: number) =>
    join(archive(certificate), `${kind}${checkNumber(number)}.pem`)

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

  return {
    listVersions,

    async addVersion(version) {
      const { certificate, number } = version
      const bytes = filesOf(version)
      const [key, leaf] = [pathOf(certificate, 'privkey', number), pathOf(certificate, 'cert', number)]
      refuseForeignKey(bytes.privkey, bytes.cert, { key, leaf })
      await turns.take(async () => {
        const missing = new Map<string, string>()
        for (const kind of fileKinds) {
          const path = pathOf(certificate, kind, number)
          const found = await readPrivate(path)
          if (found && found.toString('utf8') !== bytes[kind]) throw taken(certificate, number, path)
          if (!found) missing.set(basename(path), bytes[kind])
        }
        await write.create(archive(certificate), missing)
        await pointLive(certificate)
      })
    },

    async getVersion(certificate, number) {
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
      refuseForeignKey(key, leaf, { key: keyPath, leaf: leafPath })
      if (fullchain !== leaf + chain) throw differs(fullPath, leafPath)
      return { certificate, number, key: new Secret(key), leaf, chain }
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

interface Archived {
  readonly kind: string
  readonly number: number
}

async function archived(folder: string): Promise<Archived[]> {
  const names = await attempt('listing', folder, () => readdir(folder).catch(allowMissing))
  return (names ?? []).flatMap(parseName)
}

function archivedNow(folder: string): Archived[] {
  try {
    return readdirSync(folder).flatMap(parseName)
  } catch (error) {
    allowMissing(error)
    return []
  }
}

function parseName(name: string): Archived[] {
  const [, kind, number] = /^(privkey|cert|chain|fullchain)([1-9]\d{0,8})\.pem$/.exec(name) ?? []
  return kind && number ? [{ kind, number: Number(number) }] : []
}

/** Numbers for which all four files are there, ascending. */
function completeOf(files: readonly Archived[]): number[] {
  const kinds = Map.groupBy(files, ({ number }) => number)
  const complete = [...kinds].filter(([, group]) => group.length === fileKinds.length)
  return complete.map(([number]) => number).toSorted((a, b) => a - b)
}

function highestOf(files: readonly Archived[]): number {
  return files.reduce((highest, file) => Math.max(highest, file.number), 0)
}

async function linkAt(path: string): Promise<string | undefined> {
  return attempt('reading the link', path, () => readlink(path).catch(allowMissing))
}

/**
 * Proved by a signature: a damaged EC key can still carry the public key that belongs to the leaf, and
 * comparing public keys would miss it.
 */
function refuseForeignKey(key: string, leaf: string, paths: { key: string; leaf: string }): void {
  const text = Buffer.from('certs')
  let belongs = false
  try {
    const signature = sign('sha256', text, createPrivateKey(key))
    belongs = verify('sha256', text, new X509Certificate(leaf).publicKey, signature)
  } catch {
    // Not a key, or not a certificate: it does not belong either.
  }
  if (!belongs) throw differs(paths.key, paths.leaf)
}

function differs(path: string, other: string): StateError {
  return new StateError(`reading ${path} failed: it does not belong to ${other}`, {
    hint: [
      `restore both from a backup: ls -l ${quote(path)} ${quote(other)}`,
      'or issue a new version; this one is never installed',
    ],
  })
}

function taken(certificate: string, number: number, path: string): StateError {
  return new StateError(`adding version ${number} of ${certificate} failed: ${path} has other bytes`, {
    hint: 'a version is never changed; run again for the next number',
  })
}

function checkNumber(number: number): number {
  if (!Number.isSafeInteger(number) || number < 1) throw new TypeError(`not a version number: ${number}`)
  return number
}

function allowMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}
