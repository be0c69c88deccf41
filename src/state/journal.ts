import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { sha256 } from '../core/certificate.ts'
import { StateError } from '../core/errors.ts'
import { syncFolder } from './durable-write.ts'
import { attempt, quote } from './failure.ts'
import { plainJson } from './plain-json.ts'
import { openPrivate } from './private-file.ts'
import type { Entry, JournalLine, Store } from './store.ts'
import type { Turns } from './turns.ts'

const newline = 0x0a
const blockBytes = 8192

/**
 * One line of JSON for each entry, with a serial from 1 on and the SHA-256 of the line before, its newline
 * not included. The chain shows every change but one: lines cut off at the very end.
 */
export function journalIn(path: string, turns: Turns): Pick<Store, 'append' | 'journal'> {
  return {
    append: (entry) => turns.take(() => attempt('writing', path, () => append(path, entry))),

    async *journal() {
      await using file = await openPrivate(path, constants.O_RDONLY)
      if (!file) return
      const next = chain()
      let number = 0
      for await (const text of completeLines(file)) {
        number++
        const line = next(text)
        if (typeof line === 'string') throw damaged(path, number, line)
        yield line
      }
    },
  }
}

/** The first line (from 1) that does not follow from the one before it, and how; undefined when all do. */
export function verifyJournal(lines: Iterable<string>): { line: number; because: string } | undefined {
  const next = chain()
  let number = 0
  for (const text of lines) {
    number++
    const line = next(text)
    if (typeof line === 'string') return { line: number, because: line }
  }
  return undefined
}

/** Takes line after line: what it says, or why it can't stand where it stands. */
function chain(): (text: string) => JournalLine | string {
  let serial = 0
  let previous = sha256('')
  return (text) => {
    const line = parse(text)
    if (!line) return 'it is not a journal line'
    serial++
    if (line.serial !== serial) return `its serial is ${line.serial} where ${serial} belongs`
    if (line.previous !== previous) return 'the line before it was changed after it was written'
    previous = sha256(text)
    return line
  }
}

async function append(path: string, entry: Entry): Promise<void> {
  const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT
  await using file = await openPrivate(path, flags)
  if (!file) throw new Error(`${path} was removed while it was opened`)
  const { size } = await file.stat()
  const { text, end } = await lastLine(file, size)
  if (end < size) await file.truncate(end)
  const before = text === undefined ? undefined : parse(text)
  if (text !== undefined && !before) throw damaged(path, undefined, 'it is not a journal line')
  const line = { serial: (before?.serial ?? 0) + 1, previous: sha256(text ?? ''), ...entry }
  try {
    await file.appendFile(`${plainJson(line)}\n`)
    await file.sync()
  } catch (error) {
    // A line that is not known to be on the disk must not be read as one that is.
    await file.truncate(end).catch(() => {})
    throw error
  }
  if (size === 0) await syncFolder(dirname(path))
}

/** The last complete line, and the offset after its newline: what follows was torn by a power cut. */
async function lastLine(file: FileHandle, size: number): Promise<{ text: string | undefined; end: number }> {
  for (let length = Math.min(blockBytes, size); ; length = Math.min(length * 2, size)) {
    const start = size - length
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, start)
    const last = buffer.lastIndexOf(newline)
    const before = buffer.subarray(0, Math.max(last, 0)).lastIndexOf(newline)
    if (last >= 0 && (before >= 0 || start === 0)) {
      return { text: buffer.toString('utf8', before + 1, last), end: start + last + 1 }
    }
    if (start === 0) return { text: undefined, end: 0 }
  }
}

async function* completeLines(file: FileHandle): AsyncIterable<string> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of file.createReadStream({ autoClose: false })) {
    const bytes: Buffer = chunk
    rest = Buffer.concat([rest, bytes])
    for (let at = rest.indexOf(newline); at >= 0; at = rest.indexOf(newline)) {
      yield rest.toString('utf8', 0, at)
      rest = rest.subarray(at + 1)
    }
  }
}

function parse(text: string): JournalLine | undefined {
  try {
    const line: JournalLine | null = JSON.parse(text)
    return Number.isSafeInteger(line?.serial) && typeof line?.previous === 'string' ? line : undefined
  } catch {
    return undefined
  }
}

function damaged(path: string, number: number | undefined, because: string): StateError {
  const which = number === undefined ? 'its last line' : `line ${number}`
  return new StateError(`reading ${path} failed at ${which}: ${because}`, {
    hint: [
      'keep it as it is for whoever looks into this',
      `a new journal is begun when it is put aside: mv ${quote(path)} ${quote(`${path}.damaged`)}`,
    ],
  })
}
