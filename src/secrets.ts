import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { ConfigError } from './core/errors.ts'
import { Secret } from './core/secret.ts'

/** Where a secret comes from: the environment, a file, the output of a command, or (by no habit) a literal. */
export type SecretSource =
  string | { readonly env: string } | { readonly file: string } | { readonly command: readonly string[] }

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads a secret when it is first needed. One trailing newline is dropped.
 * @param where the setting's place in the configuration, for messages: `dns.cloudflare.apiToken`
 */
export async function resolveSecret(source: SecretSource, where: string, env: Environment): Promise<Secret> {
  const value = await readSource(source, where, env)
  const trimmed = value.replace(/\r?\n$/, '')
  if (trimmed === '') throw new ConfigError(`reading the secret ${where} failed: it is empty`)
  return new Secret(trimmed)
}

async function readSource(source: SecretSource, where: string, env: Environment): Promise<string> {
  if (typeof source === 'string') return source
  if ('env' in source) {
    const value = env[source.env]
    if (value !== undefined) return value
    throw new ConfigError(
      `reading the secret ${where} failed: the environment variable ${source.env} is not set`,
      {
        hint: `export ${source.env}=…  (or use { file: … } or { command: … } in the configuration)`,
      },
    )
  }
  if ('file' in source) {
    return readFile(source.file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new ConfigError(`reading the secret ${where} from ${source.file} failed: ${cause.code}`, {
        cause,
      })
    })
  }
  return runCommand(source.command, where)
}

async function runCommand([program, ...args]: readonly string[], where: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program!, args, { timeout: 30_000, maxBuffer: 64 * 1024 })
    return stdout
  } catch (error) {
    // execFile's message and output can hold parts of the secret: only how it ended is said.
    const { code, killed } = error as { code?: number | string; killed?: boolean }
    const ended = killed ? 'it did not end within 30 s' : `it ended with ${code ?? 'a signal'}`
    throw new ConfigError(`reading the secret ${where} with ${program} failed: ${ended}`, {
      hint: 'run the command by hand to see what it says',
    })
  }
}
