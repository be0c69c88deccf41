import { access, stat } from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { prettifyError } from 'zod'
import { ConfigError } from '../core/errors.ts'
import type { Environment } from '../secrets.ts'
import { normalize } from './normalize.ts'
import { configSchema } from './schema.ts'
import type { Descriptions } from './schema.ts'
import type { Settings } from './settings.ts'

export interface LoadOptions {
  /** --config */
  readonly file?: string | undefined
  /** --state */
  readonly state?: string | undefined
  readonly env: Environment
  readonly cwd: string
  readonly home: string
  readonly uid: number
  readonly providers: Descriptions
}

/**
 * Finds, reads and checks the configuration: --config, CERTS_CONFIG, ./certs.config.ts,
 * /etc/certs/certs.config.ts. Throws ConfigError with every fault found and its place.
 */
export async function loadConfig(options: LoadOptions): Promise<Settings> {
  const file = await findFile(options)
  await refuseForeign(file, options.uid)
  const parsed = configSchema(options.providers).safeParse(await importDefault(file))
  if (!parsed.success) {
    throw new ConfigError(`reading ${file} failed`, {
      detail: prettifyError(parsed.error),
      hint: 'edit it; certs init --config OTHER writes an example to compare with',
    })
  }
  const state = options.state ?? options.env['CERTS_STATE']
  return normalize(parsed.data, {
    file,
    home: options.home,
    ...(state === undefined ? {} : { state: path.resolve(options.cwd, state) }),
  })
}

async function findFile({ file, env, cwd }: LoadOptions): Promise<string> {
  const named = file ?? env['CERTS_CONFIG']
  const candidates = named ? [named] : ['certs.config.ts', '/etc/certs/certs.config.ts']
  for (const candidate of candidates) {
    const resolved = path.resolve(cwd, candidate)
    const found = await access(resolved).then(
      () => true,
      () => false,
    )
    if (found) return resolved
  }
  throw new ConfigError(`no configuration found: looked for ${candidates.join(' and ')}`, {
    hint: named
      ? 'name an existing file with --config'
      : 'certs init writes one; or name one with --config FILE',
  })
}

/** The file is run as code: who can write it can do all that we can. */
async function refuseForeign(file: string, uid: number): Promise<void> {
  const { mode, uid: owner } = await stat(file)
  if ((mode & 0o002) !== 0) {
    throw new ConfigError(`reading ${file} failed: everybody may write it, and it is run as code`, {
      hint: `chmod o-w ${file}`,
    })
  }
  if (owner !== uid && owner !== 0) {
    throw new ConfigError(
      `reading ${file} failed: it belongs to another user (uid ${owner}), and it is run as code`,
      {
        hint: `chown ${uid} ${file}`,
      },
    )
  }
}

async function importDefault(file: string): Promise<unknown> {
  const module = await import(pathToFileURL(file).href).catch((cause: Error) => {
    const commonJs = cause.message.includes("Unexpected token 'export'")
    const hint = commonJs
      ? 'the nearest package.json makes it CommonJS: name it certs.config.mts, or set "type": "module"'
      : undefined
    throw new ConfigError(`reading ${file} failed: ${cause.message}`, { cause, hint })
  })
  if ('default' in module) return module.default
  throw new ConfigError(`reading ${file} failed: it has no default export`, {
    hint: 'end it with: export default { … } satisfies Config',
  })
}
