import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism, cpus, loadavg } from 'node:os'

export interface Contestant {
  /** How the table calls it. */
  readonly name: string
  /** Once before each measured run, not counted. */
  readonly prepare?: () => Promise<void>
  readonly run: () => Promise<void>
  /** Runs in every nth round only; 1 when left out. */
  readonly every?: number
}

/** Milliseconds of each run, ascending. */
export type Times = readonly number[]

/** Runs all contestants in turn, round after round, so that what else the machine does hits them alike. */
export async function interleave(
  contestants: readonly Contestant[],
  rounds: number,
): Promise<Map<string, Times>> {
  const times = new Map(contestants.map(({ name }) => [name, [] as number[]]))
  for (let round = 0; round < rounds; round++) {
    for (const { name, prepare, run, every = 1 } of contestants) {
      if (round % every !== 0) continue
      await prepare?.()
      const began = performance.now()
      await run()
      times.get(name)?.push(performance.now() - began)
    }
  }
  return new Map([...times].map(([name, all]) => [name, all.toSorted((a, b) => a - b)]))
}

/** Runs a command to its end; one that fails is no measurement but an error with all it said. */
export async function runLine(line: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const [file = '', ...args] = line
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => (said += piece))
  }
  await once(child, 'close')
  if (child.exitCode !== 0) throw new Error(`${line.join(' ')} (exit ${child.exitCode}):\n${said}`)
}

export const median = (times: Times): number => times[times.length >> 1] ?? Number.NaN

/** Rows of a Markdown table; `reference` is what the ratios are to. */
export function table(times: ReadonlyMap<string, Times>, reference: string): string {
  const base = median(times.get(reference) ?? [])
  const rows = [...times].map(([name, all]) => [
    name,
    ...[all[0], median(all), all.at(-1)].map((ms) => duration(ms ?? Number.NaN)),
    `${all.length}`,
    (median(all) / base).toFixed(2),
  ])
  const head = ['', 'min', 'median', 'max', 'runs', `median to ${reference}`]
  return [head, ['---', '--:', '--:', '--:', '--:', '--:'], ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n')
}

function duration(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`
}

export function judge(what: string, ratio: number, limit: number): string {
  return `${ratio <= limit ? 'Holds' : 'MISSED'}: ${what} is ${ratio.toFixed(2)} (at most ${limit}).`
}

export function machine(): string {
  const [load = 0] = loadavg()
  return `Node.js ${process.versions.node}, ${availableParallelism()} × ${cpus()[0]?.model ?? 'CPU'}, load ${load.toFixed(1)} when it began`
}
