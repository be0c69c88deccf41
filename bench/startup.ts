import { interleave, judge, median, runLine, table } from './measure.ts'

const limit = 1.6

/** How long a person waits for the program itself: from the built files, against Node.js doing nothing. */
export async function benchStartup(program: string, rounds: number): Promise<string> {
  const bare = '`node -e 0`'
  const lines: Readonly<Record<string, readonly string[]>> = {
    [bare]: ['-e', '0'],
    '`certs --version`': [program, '--version'],
    '`certs plan --help`': [program, 'plan', '--help'],
  }
  const contestants = Object.entries(lines).map(([name, args]) => ({
    name,
    run: () => runLine([process.execPath, ...args]),
  }))
  await interleave(contestants, 2)
  const times = await interleave(contestants, rounds)
  const base = median(times.get(bare) ?? [])
  const verdicts = Object.keys(lines)
    .slice(1)
    .map((name) => judge(`${name} to ${bare}`, median(times.get(name) ?? []) / base, limit))
  return [
    '### Start',
    '',
    'Wall time of a process, run in turn.',
    '',
    table(times, bare),
    '',
    ...verdicts,
  ].join('\n')
}
