import { Readable, Writable } from 'node:stream'
import { renderError } from '../../src/core/render-error.ts'
import { command } from '../../src/commands/renew.ts'
import type { Io } from '../../src/io.ts'
import type { Ran } from '../lab/command.ts'

export interface DatedRun {
  /** Milliseconds: what the clock says when the run begins. */
  readonly at: number
  /** Path of the configuration. */
  readonly config: string
}

/** `certs renew --now`, as the timer's service runs it, by another clock than this machine's. */
export async function renewAt({ at, config }: DatedRun): Promise<Ran> {
  const began = performance.now()
  const said = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof said) =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        said[name] += chunk.toString()
        done()
      },
    })
  const io: Io = {
    stdin: Readable.from([]),
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    env: {},
    cwd: '/',
    home: '/',
    uid: process.getuid?.() ?? 0,
    now: () => new Date(at + performance.now() - began),
    random: (bytes) => Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('hex'),
    signal: new AbortController().signal,
    urgent: new AbortController().signal,
    commandLine: 'certs renew --now',
  }
  const invocation = {
    operands: [],
    flag: (name: string) => name === 'now',
    value: (name: string) => (name === 'config' ? config : undefined),
    values: () => undefined,
  }
  try {
    const exitCode = await command.run(invocation, io)
    return { ...said, exitCode }
  } catch (error) {
    return { stdout: said.stdout, stderr: `${said.stderr}${renderError(error)}`, exitCode: 1 }
  }
}
