import type { Io } from '../io.ts'

/** A result for --json, alone on standard output. */
export function writeJson(io: Io, value: object): void {
  io.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}
