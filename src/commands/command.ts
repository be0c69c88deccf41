import type { ParseArgsOptionsConfig } from 'node:util'
import type { Io } from '../io.ts'

/** One verb. Its module is loaded only when the verb is typed; heavy parts are loaded inside `run`. */
export interface Command {
  /** The whole help text, ending in a newline. */
  readonly help: string
  readonly options: ParseArgsOptionsConfig
  /** Names of the positional arguments; `NAME…` takes any number, `[NAME]` may be left out. */
  readonly operands: readonly string[]
  /** Resolves to the exit code. */
  run(invocation: Invocation, io: Io): Promise<number>
}

export interface Invocation {
  readonly operands: readonly string[]
  readonly flag: (name: string) => boolean
  readonly value: (name: string) => string | undefined
  readonly values: (name: string) => readonly string[] | undefined
}

/** Options that every command takes. */
export const commonOptions = {
  config: { type: 'string' },
  state: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsOptionsConfig

export const exitCode = { done: 0, failed: 1, usage: 2, changes: 3, locked: 75 } as const

export const commonHelp = `  --config FILE      the configuration (default ./certs.config.ts, then /etc/certs/certs.config.ts)
  --state FOLDER     the state folder (default: as configured, /var/lib/certs)
  --json             the result as JSON on standard output, progress on standard error
  -h, --help         this text
`
