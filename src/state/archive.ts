import { readdirSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { fileKinds } from '../core/certificate.ts'
import type { FileKind } from '../core/certificate.ts'
import { attempt, isMissing } from './failure.ts'

/** One file of certbot's `archive/NAME`, by what its name says. */
export interface Archived {
  readonly kind: string
  readonly number: number
}

export async function archived(folder: string): Promise<Archived[]> {
  const names = await attempt('listing', folder, () => readdir(folder).catch(allowMissing))
  return (names ?? []).flatMap(parseName)
}

export function archivedNow(folder: string): Archived[] {
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

export function fileName(kind: FileKind, number: number): string {
  return `${kind}${checkNumber(number)}.pem`
}

/** Numbers for which all four files are there, ascending. */
export function completeOf(files: readonly Archived[]): number[] {
  const kinds = Map.groupBy(files, ({ number }) => number)
  const complete = [...kinds].filter(([, group]) => group.length === fileKinds.length)
  return complete.map(([number]) => number).toSorted((a, b) => a - b)
}

export function highestOf(files: readonly Archived[]): number {
  return files.reduce((highest, file) => Math.max(highest, file.number), 0)
}

function checkNumber(number: number): number {
  if (!Number.isSafeInteger(number) || number < 1) throw new TypeError(`not a version number: ${number}`)
  return number
}

function allowMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}
