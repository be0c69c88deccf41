import { execFile } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
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

/** The same for what opens all else: a file that other users may read is refused. */
export async function resolvePrivateSecret(
  source: SecretSource,
  where: string,
  env: Environment,
): Promise<Secret> {
  await refuseOpenFile(source, where)
  return resolveSecret(source, where, env)
}

/**
 * Throws ConfigError when it is a file that other users may read. As OpenSSH does it, files of other owners are their
 * business (systemd's credentials are root's, and show a group).
 */
export async function refuseOpenFile(source: SecretSource, where: string): Promise<void> {
  const file = typeof source === 'object' && 'file' in source ? source.file : undefined
  const found = file === undefined ? undefined : await stat(file).catch(() => undefined)
  if (found && found.uid === process.getuid?.() && (found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(3, '0')
    throw new ConfigError(
      `reading the secret ${where} from ${file} failed: its mode ${mode} lets other users read it`,
      { hint: [`chmod 600 ${file}`, 'if others could read it, make a new identity and seal all keys to it'] },
    )
  }
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
