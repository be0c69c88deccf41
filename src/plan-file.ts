import { constants } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { CertsError, ConfigError } from './core/errors.ts'
import { decodePlan, encodePlan, isSavedPlan } from './core/saved-plan.ts'
import type { SavedPlan } from './core/saved-plan.ts'
import type { Io } from './io.ts'

/** Ten thousand certificates make about 30 MB. */
const mostBytes = 256 << 20

/** Throws ConfigError when something other than a saved plan would be written over. */
export async function refuseOtherFile(file: string): Promise<void> {
  const text = await readText(file).catch((error: unknown) => {
    if (error instanceof ConfigError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT')
      return undefined
    throw error
  })
  if (text === undefined || isSavedPlan(text)) return
  throw new ConfigError(`writing the plan to ${file} failed: it exists already and is no saved plan`, {
    hint: 'name another file with --out, or move that one away',
  })
}

/** Readable by its owner alone; the former plan stays whole until the new one is. */
export async function writePlan(
  file: string,
  saved: SavedPlan,
  { random }: Pick<Io, 'random'>,
): Promise<void> {
  const temporary = `${file}.${random(4)}`
  try {
    await refuseOtherFile(file)
    {
      await using handle = await open(temporary, 'wx', 0o600)
      await handle.writeFile(encodePlan(saved))
      await handle.sync()
    }
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    if (error instanceof CertsError) throw error
    const { code } = error as NodeJS.ErrnoException
    throw new CertsError(`writing the plan to ${file} failed: ${code}`, { cause: error })
  }
}

/** Throws ConfigError for a file that can't be read, that others may write, or that is no plan of ours. */
export async function readPlan(file: string, { uid }: Pick<Io, 'uid'>): Promise<SavedPlan> {
  return decodePlan(await readText(file, { ownedBy: uid }), file)
}

async function readText(file: string, { ownedBy }: { readonly ownedBy?: number } = {}): Promise<string> {
  const refuse = (cause: string, hint: string | undefined, error?: unknown): never => {
    throw new ConfigError(`reading the plan in ${file} failed: ${cause}`, { hint, cause: error })
  }
  try {
    // A FIFO that nobody writes to must not be waited for.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
    const { mode, uid, size } = await handle.stat()
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) return refuse('it is no file', undefined)
    if (size > mostBytes) return refuse('it is too large to be a plan', undefined)
    if (ownedBy !== undefined && (mode & 0o002) !== 0)
      return refuse('everybody may write it', `look at it, then: chmod o-w ${file}`)
    if (ownedBy !== undefined && uid !== ownedBy && uid !== 0)
      return refuse(`it belongs to another user (uid ${uid})`, `look at it, then: chown ${ownedBy} ${file}`)
    return await handle.readFile('utf8')
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const { code } = error as NodeJS.ErrnoException
    return refuse(`${code}`, code === 'ENOENT' ? 'certs plan --out FILE saves one' : undefined, error)
  }
}
