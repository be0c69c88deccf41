import type { Readable, Writable } from 'node:stream'
import type { Environment } from './secrets.ts'

/** Everything a command may touch of the process it runs in; handed in, so that commands read no globals. */
export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly env: Environment
  readonly cwd: string
  readonly home: string
  readonly uid: number
  readonly now: () => Date
  /** Random hex of the given number of bytes. */
  readonly random: (bytes: number) => string
  /** Aborted by SIGINT and SIGTERM: what is in hand is finished, nothing new is started. */
  readonly signal: AbortSignal
  /** Aborted by a second one: what is in hand is not waited for any more. */
  readonly urgent: AbortSignal
  /** The command line as typed, for the lock and the journal. */
  readonly commandLine: string
}
