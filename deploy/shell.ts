import type { Duplex } from 'node:stream'
import type { Node } from '../src/core/node.ts'

/**
 * One login to one node, kept for the run. The only command that is ever run is the constant `/bin/sh -s`
 * (`sudo -n /bin/sh -s`); what it shall do comes as `input`.
 */
export interface Shell extends AsyncDisposable {
  readonly node: string
  /**
   * Sends `input` to the shell's standard input, closes it, and gathers what it says (256 KB at most; more
   * kills the command). Throws NodeError when the connection can't do it or dies; `left: 'unknown'` when the
   * input may have been acted on.
   */
  run(input: string, options?: RunOptions): Promise<Said>
  /**
   * Opens a session ahead of time and sends the beginning of the next `run`'s input, so that the run itself
   * costs one round trip. An `input` that does not start with `prefix` falls back to a session of its own.
   * Never throws; a failure shows at the next `run`.
   */
  prepare(prefix: string): void
  /** A TCP stream from the node to address:port, for handshakes with endpoints only the node reaches. */
  forward(address: string, port: number): Promise<Duplex>
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined
  /** Milliseconds without any output before the run is given up. */
  readonly silenceMs?: number | undefined
  /** Each complete line of standard output as it comes, without its newline. */
  readonly onLine?: (line: string) => void
}

export interface Said {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

/** Logs in. Throws NodeError with step `connect` or `authenticate`, hint included. */
export type Connect = (node: Node, signal: AbortSignal) => Promise<Shell>
