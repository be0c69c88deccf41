import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Said, Shell } from '../../deploy/shell.ts'
import { NodeError } from '../../src/core/errors.ts'

const cap = 256 * 1024

export interface LocalShell extends Shell {
  readonly command: readonly string[]
  /** The process ids of runs under way, each the leader of a group of its own. */
  readonly running: ReadonlySet<number>
}

/** The Shell contract over a process of this machine, as `dash -s`, with nothing in its environment. */
export function localShell(command: readonly string[], node = 'sally'): LocalShell {
  const running = new Set<number>()
  return {
    node,
    command,
    running,
    run: async (input, { signal, onLine } = {}): Promise<Said> => {
      const [file = '', ...args] = command
      const child = spawn(file, args, { env: {}, detached: true, stdio: 'pipe' })
      const { pid } = child
      if (pid !== undefined) running.add(pid)
      const stop = () => void (pid !== undefined && running.has(pid) && process.kill(-pid, 'SIGKILL'))
      signal?.addEventListener('abort', stop, { once: true })
      let stdout = ''
      let stderr = ''
      let told = 0
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text
        if (stdout.length > cap) stop()
        for (let end = stdout.indexOf('\n', told); end >= 0; end = stdout.indexOf('\n', told)) {
          onLine?.(stdout.slice(told, end))
          told = end + 1
        }
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => void (stderr += text))
      child.stdin.on('error', () => {}).end(input)
      const [exitCode] = (await once(child, 'close')) as [number | null]
      if (pid !== undefined) running.delete(pid)
      signal?.removeEventListener('abort', stop)
      if (exitCode === null || stdout.length > cap) {
        throw new NodeError('the shell died', { node, step: 'stage', left: 'unknown' })
      }
      return { stdout, stderr, exitCode }
    },
    prepare: () => {},
    forward: () => Promise.reject(new NodeError('no forwarding here', { node, step: 'verify' })),
    [Symbol.asyncDispose]: async () => {
      for (const pid of running) process.kill(-pid, 'SIGKILL')
    },
  }
}
