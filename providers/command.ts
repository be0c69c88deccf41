import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

export type Environment = Readonly<Record<string, string | undefined>>

export interface CommandOptions {
  /** All that the command sees of the environment. */
  readonly env: Environment
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

export interface Ended {
  /** Empty when the exit code was 0, else why it was not. */
  readonly failure: string
  /** The end of what the command said, standard output and error as they came. */
  readonly output: string
  /** The end of its standard output alone. */
  readonly stdout: string
}

const keptOutput = 4000
/** Between asking the command to end and ending it. */
const graceMs = 2000
/** For output that is still in the pipes when the command has ended. */
const lastWordsMs = 200

/** Runs a program with nothing on its standard input. Throws the signal's reason when it aborts. */
export async function runCommand(
  program: string,
  line: readonly string[],
  { env, signal, timeoutMs }: CommandOptions,
): Promise<Ended> {
  signal.throwIfAborted()
  // A process group of its own, so that whatever the command has started ends with it.
  const child = spawn(program, line, { env: { ...env }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = Promise.withResolvers<string>()
  const closed = Promise.withResolvers<void>()
  child.once('error', (error) => exited.resolve(error.message))
  child.once('exit', (code, killer) => exited.resolve(failureOf(code, killer)))
  // What it has left in the background may hold the pipes open: it is not waited for.
  child.once('close', () => closed.resolve())
  let output = ''
  let stdout = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = lastLines(output + text)
      if (stream === child.stdout) stdout = lastLines(stdout + text)
    })
  }

  const deadline = AbortSignal.timeout(timeoutMs)
  const stop = AbortSignal.any([signal, deadline])
  let grace: NodeJS.Timeout | undefined
  stop.addEventListener('abort', () => {
    killGroup(child.pid, 'SIGTERM')
    grace = setTimeout(killGroup, graceMs, child.pid, 'SIGKILL')
  })
  try {
    const failure = await exited.promise
    await Promise.race([closed.promise, sleep(lastWordsMs)])
    signal.throwIfAborted()
    return { failure: deadline.aborted ? `not done after ${timeoutMs / 1000} s` : failure, output, stdout }
  } finally {
    clearTimeout(grace)
    if (stop.aborted) killGroup(child.pid, 'SIGKILL')
    child.stdout.destroy()
    child.stderr.destroy()
  }
}

/** Whole lines: what is cut in the middle could be a secret that is no longer known as one. */
function lastLines(text: string): string {
  if (text.length <= keptOutput) return text
  const tail = text.slice(-keptOutput)
  return tail.slice(tail.indexOf('\n') + 1)
}

function failureOf(code: number | null, killer: NodeJS.Signals | null): string {
  if (code === 0) return ''
  return killer ? `ended by ${killer}` : `exit code ${code}`
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid) process.kill(-pid, signal)
  } catch {
    // Gone already.
  }
}
