import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface DependentProcess {
  readonly pid: number
  said(): string
  /** Resolves to true when `probe` does, to false when the process has ended or 15 s are over. */
  until(probe: () => Promise<boolean>): Promise<boolean>
  stop(): Promise<void>
}

/** A child that the kernel kills when this process ends, even by SIGKILL. */
export function startDependent(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): DependentProcess {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...command], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  const listen = (chunk: Buffer): void => void (said = (said + chunk.toString()).slice(-4_000_000))
  child.stdout?.on('data', listen)
  child.stderr?.on('data', listen)
  child.on('error', (error) => void (said += error.message))
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null || child.pid === undefined
  return {
    pid: child.pid ?? 0,
    said: () => said,
    until: async (probe) => {
      const deadline = performance.now() + 15_000
      while (!ended() && performance.now() < deadline) {
        if (await probe().catch(() => false)) return !ended()
        await sleep(20)
      }
      return false
    },
    stop: async () => {
      if (ended()) return
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    },
  }
}

/** A TCP port nobody listens on now; somebody may be quicker, so be ready to try again. */
export async function freePort(address: string): Promise<number> {
  const server = createServer().listen(0, address)
  await once(server, 'listening')
  const bound = server.address()
  server.close()
  await once(server, 'close')
  if (bound === null || typeof bound === 'string') throw new Error(`no port on ${address}`)
  return bound.port
}
