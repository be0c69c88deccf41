import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/**
 * A name server of the lab owns one folder, named after its address: making it reserves the address, and the
 * `owner` file in it says which process to look for. What a killed run left is found by that and removed.
 */
const parent = '/tmp'
const prefix = 'certs-named-'

const run = promisify(execFile)

export function folderOf(address: string): string {
  return join(parent, prefix + address)
}

/** Reserves the address; false when it is taken. */
export async function takeFolder(address: string): Promise<boolean> {
  try {
    await mkdir(folderOf(address), { mode: 0o700 })
  } catch {
    return false
  }
  await writeFile(join(folderOf(address), 'owner'), `${process.pid} ${await startOf(process.pid)}`)
  return true
}

/** Ends name servers whose owner is gone, and removes their folders and addresses. */
export async function sweepStaleNamed(): Promise<void> {
  const names = (await readdir(parent)).filter((name) => name.startsWith(prefix))
  for (const name of names) {
    const folder = join(parent, name)
    if (await isOwned(folder)) continue
    await endNamed(folder)
    const addresses = await readFile(join(folder, 'addresses'), 'utf8').catch(() => '')
    for (const address of addresses.split('\n')) await removeAddress(address)
    await rm(folder, { recursive: true, force: true })
  }
}

/** Takes an address from lo; not there is success. */
export async function removeAddress(address: string): Promise<void> {
  const prefixLength = address.includes(':') ? 128 : 32
  await run('ip', ['addr', 'del', `${address}/${prefixLength}`, 'dev', 'lo']).catch(() => undefined)
}

async function isOwned(folder: string): Promise<boolean> {
  const owner = await readFile(join(folder, 'owner'), 'utf8').catch(() => '')
  const [pid, started] = owner.split(' ')
  if (pid && started) return (await startOf(Number(pid))) === started
  // Between mkdir and the owner file, the owner is just starting.
  const made = await stat(folder).catch(() => undefined)
  return made !== undefined && Date.now() - made.mtimeMs < 10_000
}

async function endNamed(folder: string): Promise<void> {
  const pid = Number(await readFile(join(folder, 'named.pid'), 'utf8').catch(() => '0'))
  const program = await readlink(`/proc/${pid}/exe`).catch(() => '')
  if (program.startsWith(`${folder}/`)) process.kill(pid, 'SIGKILL')
}

/** The process's start in clock ticks since boot, so that a reused pid is told apart; empty when it is gone. */
async function startOf(pid: number): Promise<string> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
