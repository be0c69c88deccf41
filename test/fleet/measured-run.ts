import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RunResult } from '../../src/core/result.ts'

/** Written at the end of a process by what is loaded into it: its largest resident set, in kilobytes. */
const meter = `process.on('exit', () => process.getBuiltinModule('fs').writeFileSync(process.env.METER, String(process.resourceUsage().maxRSS)))`
const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

export interface MeasuredRun {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  readonly ms: number
  readonly megabytes: number
}

export interface MeasuredOptions {
  readonly folder: string
  readonly config: string
  /** The program; the sources when left out. */
  readonly program?: string
  /** Sent when this text has been said so often on standard error. */
  readonly interrupt?: { readonly text: string; readonly times: number; readonly signal: NodeJS.Signals }
}

/** Runs `certs` as a process of its own, with its time and its memory. */
export async function runMeasured(line: string, options: MeasuredOptions): Promise<MeasuredRun> {
  const { folder, config, program = cli, interrupt } = options
  const kilobytes = join(folder, 'kilobytes')
  const began = performance.now()
  const measured = ['--import', `data:text/javascript,${encodeURIComponent(meter)}`, program]
  const child = spawn(process.execPath, [...measured, ...line.split(' ')], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, CERTS_CONFIG: config, METER: kilobytes },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr, waiting] = ['', '', interrupt !== undefined]
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (stdout += piece))
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    stderr += piece
    if (!waiting || !interrupt || stderr.split(interrupt.text).length <= interrupt.times) return
    waiting = false
    child.kill(interrupt.signal)
  })
  const [exitCode] = (await once(child, 'close')) as [number | null]
  const ms = performance.now() - began
  return { exitCode, stdout, stderr, ms, megabytes: Number(await readFile(kilobytes, 'utf8')) / 1024 }
}

/** What became of each node, by its name, of a run with `--json` for one certificate. */
export function nodesOf({
  stdout,
}: MeasuredRun): Map<string, RunResult['certificates'][number]['nodes'][number]> {
  const [certificate] = (JSON.parse(stdout) as RunResult).certificates
  return new Map(certificate?.nodes.map((node) => [node.node, node]))
}
