import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Act, Answers, Behaviour } from './behaviour.ts'
import { certificate, startCrowd, type Crowd } from './crowd.ts'
import { nodesOf, runMeasured, type MeasuredRun } from './measured-run.ts'
import { rollDice } from '../years/dice.ts'

const whole = process.env['CERTS_FAULTS'] === 'all'
vi.setConfig({ testTimeout: 300_000 })

const seed = 20_261_123
const hostile = whole ? 900 : 90

/** What may stand in a word, a line or a whole answer of a node that lies. */
// prettier-ignore
const lies: readonly string[] = [
  '1e309', '-1', 'NaN', '-0', '0x10', '9'.repeat(400), '1e-400', '٣', '999999999999999', '',
  '\u001b]0;owned\u0007', '\u001b[2J\u001b[31m', '\u009b31m', '\u202egnp.', '\r', '\b\b\b', '\u0000', '\u2028x', '\ufeff',
  '../../../etc/passwd', "'", '"', '` id `', '__proto__', 'constructor', 'toString', '[object Object]', '%s%n', '<script>',
  'x'.repeat(100_000), 'a '.repeat(20_000), 'é'.repeat(30_000), '\u001b'.repeat(10_000),
  '-----BEGIN CERTIFICATE-----', 'A'.repeat(90_000), 'MIIB', '='.repeat(1_000),
]

/** One answer with lies in it: in the place of a word, a line's end, a whole line, many lines, or after the end. */
function lied(text: string, dice: ReturnType<typeof rollDice>): string {
  const lines = text.split('\n').slice(0, -1)
  const lie = dice.pick(lies)
  const at = Math.floor(dice.share() * (lines.length - 1))
  const line = lines[at]!
  const words = line.split(' ')
  const one = 2 + Math.floor(dice.share() * Math.max(1, words.length - 2))
  const ways: readonly (() => string)[] = [
    () => words.with(Math.min(one, words.length - 1), lie).join(' '),
    () => words.map((word, index) => (index < 2 ? word : lie)).join(' '),
    () => `${line}${lie}`,
    () => `${words.slice(0, 2).join(' ')} ${lie}`,
    () => Array.from({ length: 3_000 }, () => words.slice(0, 3).join(' ').slice(0, 60)).join('\n'),
    () => `${line}\n${line.replace(/\S+$/, lie)}`,
    () => `${line}\nTOKEN ${lie.slice(0, 20)} ${lie}`,
  ]
  const told = lines.with(at, dice.pick(ways)()).join('\n')
  return `${told}\n${dice.share() < 0.1 ? `TOKEN end ok\n${lie}` : ''}`
}

function script(answers: Answers): Record<string, Behaviour> {
  const dice = rollDice(seed)
  const act = (text: string): Act => ({
    do: 'answer',
    text: lied(text, dice),
    ...(dice.share() < 0.2 ? { bytes: true } : {}),
  })
  const refusal =
    'TOKEN step locked\nTOKEN said no word\nTOKEN exit 3\nTOKEN error test restored failed 1\nTOKEN end failed\n'
  const liars = Array.from({ length: hostile }, (_, index): [string, Behaviour] => {
    const turn = index % 4
    const name = `liar-${index + 1}`
    if (turn === 0) return [name, { inspect: act(answers.before) }]
    if (turn === 1) return [name, { install: act(answers.install) }]
    if (turn === 2) return [name, { install: act(refusal) }]
    return [name, { serves: 'old', rollback: act(answers.rollback) }]
  })
  const honest = Array.from({ length: 10 }, (_, index): [string, Behaviour] => [`honest-${index + 1}`, {}])
  return Object.fromEntries([...liars.slice(0, hostile / 2), ...honest, ...liars.slice(hostile / 2)])
}

const raw =
  // oxlint-disable-next-line no-control-regex
  /.{0,60}[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff].{0,60}/

describe(`${hostile} nodes that lie in every word (seed ${seed}), and ten that do not`, () => {
  let crowd: Crowd
  let config: string
  beforeAll(async () => {
    crowd = await startCrowd(script)
    config = await crowd.configure({ deadline: '2s', haltAfter: 10_000, concurrency: 50 })
  }, 60_000)
  afterAll(() => crowd?.[Symbol.asyncDispose]())

  const certs = (line: string) => runMeasured(line, { folder: crowd.folder, config })

  /** Nothing that a terminal would obey, no fault of our own, no word in place of a number. */
  function expectHarmless({ stdout, stderr, megabytes }: MeasuredRun): void {
    for (const text of [stdout, stderr]) {
      expect(text.match(raw)).toBeNull()
      expect(text.match(/^ {4}at .*/m)).toBeNull()
      expect(text.match(/.{0,60}(\bNaN\b(?!')|Infinity|\bundefined\b).{0,60}/)).toBeNull()
      expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(8_000)
    }
    // That of so many honest ones, and little more.
    expect(megabytes).toBeLessThan(whole ? 500 : 300)
  }

  test.each(['plan', 'status', 'check', 'plan --json'])('%s shows nothing of it raw', async (line) => {
    expectHarmless(await certs(line))
  })

  test('a rollout brings the honest ones their version, names each of the others, and shows nothing raw', async () => {
    await crowd.reset()
    const run = await certs(`rollout ${certificate} --json`)
    expectHarmless(run)
    expect(run.exitCode).toBe(1)
    const nodes = nodesOf(run)
    const told = await crowd.tell()
    expect([...nodes.keys()].toSorted()).toEqual(crowd.names.toSorted())
    for (const name of crowd.names) {
      const { status } = nodes.get(name)!
      if (name.startsWith('honest')) expect([name, status, told[name]!.serves]).toEqual([name, 'done', 'new'])
      // A lie about what does not matter is none; but what is not served is never done.
      if (status === 'done') expect([name, told[name]!.serves]).toEqual([name, 'new'])
      if (status === 'failed') expect(run.stderr).toContain(`certs: error: ${name}: `)
    }
    expect([...nodes.values()].filter(({ status }) => status === 'failed').length).toBeGreaterThan(
      hostile / 3,
    )
  })
})
