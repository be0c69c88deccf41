import { execFile } from 'node:child_process'

export interface Ran {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

export interface CommandOptions {
  readonly input?: string | undefined
  readonly cwd?: string | undefined
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/** Runs a program to its end, whatever that is; throws only when there is no such program. */
export async function command(argv: readonly string[], options: CommandOptions = {}): Promise<Ran> {
  const [program = '', ...rest] = argv
  const { input = '', cwd, env } = options
  return new Promise((resolve, reject) => {
    const child = execFile(program, rest, { cwd, env, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number' && !error.signal) return reject(error)
      resolve({ stdout, stderr, exitCode: child.exitCode ?? 128 })
    })
    // A program that ends before it has read its input is no failure of ours.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}
