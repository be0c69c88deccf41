import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

export const straceMissing =
  spawnSync('strace', ['-e', 'trace=none', 'true']).status === 0
    ? undefined
    : 'strace is missing or may not trace'

/** What changes a file system or makes such a change last. `?`: not every architecture has all of them. */
export const writingCalls =
  '?open,openat,write,pwrite64,fsync,fdatasync,ftruncate,close,fcntl,?mkdir,mkdirat,?chmod,fchmod,' +
  '?rename,renameat,renameat2,?link,linkat,?symlink,symlinkat,?unlink,unlinkat'

export interface Started {
  readonly pid: number
  /** Lets it act. */
  go(): void
  /** What it said after `ready`, line by line. */
  lines(): string[]
  /** Its exit code, or the signal that ended it. */
  ended(): Promise<NodeJS.Signals | number>
}

/**
 * A Node.js program that says `ready` and waits for a line. Its file system calls come from one thread, so
 * that the Nth call is the same one each time.
 */
export async function start(command: readonly string[], env: Record<string, string> = {}): Promise<Started> {
  const child = spawn(command[0] ?? '', command.slice(1), {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '1', ...env },
  })
  let said = ''
  const ended = once(child, 'close').then(() => child.signalCode ?? child.exitCode ?? 0)
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk
      if (said.includes('ready\n')) resolve()
    })
    child.once('error', reject)
    child.once('close', (code) => reject(new Error(`${command.join(' ')} ended early (${code})`)))
  })
  if (child.pid === undefined) throw new Error('no process id')
  return {
    pid: child.pid,
    go: () => child.stdin.write('go\n'),
    lines: () =>
      said
        .slice(said.indexOf('ready\n') + 6)
        .split('\n')
        .slice(0, -1),
    ended: () => ended,
  }
}

/** Attaches to all threads of a process; calls are counted from when this resolves. */
export async function attach(pid: number, args: readonly string[]): Promise<{ ended: Promise<unknown> }> {
  const strace = spawn('strace', ['-f', '-y', '-s', '200', ...args, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  const ended = once(strace, 'close')
  await new Promise<void>((resolve, reject) => {
    strace.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk
      if (said.includes(' attached')) resolve()
    })
    strace.once('close', () => reject(new Error(`strace: ${said}`)))
  })
  return { ended }
}

/** All under CERTS_FAULTS=all, else `count` of them spread over the whole, the first and the last included. */
export function sample<T>(all: readonly T[], count: number): T[] {
  if (process.env['CERTS_FAULTS'] === 'all') return [...all]
  return all.filter((_, i) => {
    const share = (at: number) => Math.floor((at * (count - 1)) / (all.length - 1))
    return i === 0 || share(i) !== share(i - 1)
  })
}
