import { execFileSync } from 'node:child_process'
import { createReadStream, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { LocalShell } from './local-shell.ts'
import type { FakeNode, FakeNodeOptions } from './fake-node.ts'

/** What changes names, modes or owners in a file system, or makes a change last. */
const changingCalls = [
  'rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat rmdir mkdir mkdirat',
  'chmod fchmod fchmodat chown fchown fchownat lchown fsync',
]
  .flatMap((line) => line.split(' '))
  .map((call) => `?${call}`)
  .join(',')

/**
 * A shell whose program, with everything it started, is killed right after its Nth changing system call (each
 * is held for a moment, so that the kill finds it there). `calls()` says how many were made.
 */
export function killedAfter(fake: FakeNode, count: number, options: FakeNodeOptions = {}) {
  const pipe = join(fake.folder, `trace-${count}`)
  execFileSync('mkfifo', [pipe])
  const held = count === Infinity ? [] : ['-e', `inject=${changingCalls}:delay_exit=8000`]
  const around = ['strace', '-f', '--seccomp-bpf', '-e', `trace=${changingCalls}`, ...held, '-o', pipe]
  const shell: LocalShell = fake.shell({ ...options, around })
  let calls = 0
  const lines = createInterface({ input: createReadStream(pipe) })
  lines.on('line', (line) => {
    if (!/ = -?[0-9]+/.test(line)) return
    calls += 1
    if (calls === count) for (const pid of shell.running) process.kill(-pid, 'SIGKILL')
  })
  return { shell, calls: () => calls, [Symbol.dispose]: () => rmSync(pipe, { force: true }) }
}
