import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { command } from './command.ts'

/** Namespaces of a lab's own. Everything in them ends with this process, even when it is killed. */
export interface Enclosure extends AsyncDisposable {
  /** Distinct among the labs of this machine. */
  readonly id: string
  /** The controller's side of the lab, on this machine's disk; gone with the lab. */
  readonly folder: string
  /** The process whose namespaces these are. */
  readonly pid: number
  /** A path of the lab's file system as this process can open it. */
  path(inside: string): string
  /** Runs a program in the lab's namespaces. Throws with its stderr when it fails. */
  run(argv: readonly string[], options?: { input?: string; cwd?: string }): Promise<string>
  /** Starts a program in a new session and cgroup; its output goes to the file `log`. */
  start(argv: readonly string[], options: { cgroup: string; log: string }): Promise<void>
}

/** systemd-nspawn ends with 133 when its host reboots, and wants to be started again. */
const loop = `
group=$1 log=$2
shift 2
mkdir -p "$group/keeper"
echo 0 >"$group/keeper/cgroup.procs"
while
  (echo 0 >"$group/cgroup.procs" && exec "$@" >>"$log" 2>&1)
  [ $? = 133 ]
do :; done
`

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

export async function openEnclosure(): Promise<Enclosure> {
  await sweep()
  const folder = await mkdtemp(join(tmpdir(), `certs-lab-${process.pid}-`))
  const id = folder.slice(folder.indexOf('certs-lab-') + 'certs-lab-'.length)
  const flags = ['--mount', '--net', '--pid', '--ipc', '--fork', '--kill-child', '--mount-proc']
  // In a session of its own, so that Ctrl-C in the terminal reaches the lab through its owner only.
  const child = spawn('unshare', [...flags, 'sh', script('enclosure.sh'), id, folder], {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit')
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  const lines = createInterface(child.stdout)
  const ready = await Promise.race([once(lines, 'line').then(() => true), ended.then(() => false)])
  if (!ready) {
    await rm(folder, { recursive: true, force: true })
    throw new Error(`the lab's namespaces can't be made: ${complaint.trim()}`)
  }
  const pid = Number(await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'))
  const enter = ['-t', `${pid}`, '-m', '-n', '-p', '-i']

  return {
    id,
    folder,
    pid,
    path: (inside) => `/proc/${pid}/root${inside}`,
    async run(argv, { input, cwd } = {}) {
      const place = cwd === undefined ? [] : [`--wdns=${cwd}`]
      const ran = await command(['nsenter', ...enter, ...place, ...argv], { input })
      if (ran.exitCode !== 0)
        throw new Error(`${argv.join(' ')} (exit ${ran.exitCode}): ${ran.stderr.trim()}`)
      return ran.stdout
    },
    async start(argv, { cgroup, log }) {
      const started = spawn('nsenter', [...enter, 'sh', '-c', loop, 'sh', cgroup, log, ...argv], {
        detached: true,
        stdio: 'ignore',
      })
      await once(started, 'spawn')
      started.unref()
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await ended
    },
  }
}

/**
 * Removes folders and cgroups of labs whose owner and whose init process were both killed. A lab that lives in
 * another PID namespace looks like one without an owner: its lock and its processes tell the difference.
 */
async function sweep(): Promise<void> {
  for (const folder of await abandoned(tmpdir())) {
    const free = await command(['flock', '--nonblock', folder, 'true'])
    if (free.exitCode === 0) await rm(folder, { recursive: true, force: true })
  }
  for (const root of await cgroupRoots()) {
    for (const group of await abandoned(root)) {
      for (let i = 0; i < 30 && (await populated(group)); i++) await sleep(10)
      if (!(await populated(group))) await removeCgroup(group)
    }
  }
}

async function abandoned(place: string): Promise<string[]> {
  const names = await readdir(place)
  return names
    .filter((name) => {
      const owner = /^certs-lab-(\d+)-/.exec(name)?.[1]
      return owner !== undefined && !existsSync(`/proc/${owner}`)
    })
    .map((name) => join(place, name))
}

async function cgroupRoots(): Promise<string[]> {
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').map((line) => line.split(' '))
  return mounts.flatMap(([, place, type]) => (type === 'cgroup2' && place !== undefined ? [place] : []))
}

/** Whether a process is left in a cgroup or below it. */
export async function populated(folder: string): Promise<boolean> {
  const events = await readFile(join(folder, 'cgroup.events'), 'utf8').catch(() => '')
  return events.includes('populated 1')
}

async function removeCgroup(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory()) await removeCgroup(join(folder, entry.name))
  }
  await rmdir(folder).catch(() => undefined)
}
