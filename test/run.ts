import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { absentPackages, installingMissing, installPackages, testPrograms } from './lab/packages.ts'

/**
 * `npm test`: the checks, then all tests, or those named as arguments. The last line is the outcome; each
 * check counts as one test.
 */
const root = fileURLToPath(new URL('..', import.meta.url))
const only = process.argv.slice(2)

const incomplete = await prepare()
const checks = only.length > 0 ? [] : [await script('typecheck'), await script('lint')]
if (incomplete && process.env['CI'] === 'true') checks.push(false)
const tests = await runTests(only)
const passed = checks.filter(Boolean).length + tests.passed
const failed = checks.filter((ok) => !ok).length + tests.failed
process.exitCode = failed === 0 ? 0 : 1
const skipped = tests.skipped === 0 ? '' : `, ${tests.skipped} skipped`
say(`${passed} passed, ${failed} failed${skipped}`)

/**
 * Installs what the tests run against, where that is possible. Returns whether anything is still lacking: the
 * tests that need it are skipped then, which in CI would prove nothing.
 */
async function prepare(): Promise<boolean> {
  const absent = await absentPackages(testPrograms)
  const missing = await installingMissing()
  if (missing) say(`some tests are skipped: they need ${missing}`)
  else if (absent.length > 0) {
    say(`installing ${absent.join(', ')}`)
    await installPackages(absent).catch((error: Error) => say(error.message))
  }
  const lacking = await absentPackages(testPrograms)
  if (lacking.length > 0) say(`not installed: ${lacking.join(', ')}`)
  return missing !== undefined || lacking.length > 0
}

async function script(name: string): Promise<boolean> {
  return (await run('npm', ['run', '--silent', name])) === 0
}

interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

async function runTests(filters: readonly string[]): Promise<Counts> {
  const folder = await mkdtemp(join(tmpdir(), 'certs-tests-'))
  try {
    const report = join(folder, 'report.json')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    const code = await run('vitest', ['run', ...reporters, ...filters])
    const counts = countsOf(await readFile(report, 'utf8').catch(() => '{}'))
    // A file that can't be loaded, or an error outside of any test, fails the run without failing a test.
    return code === 0 || counts.failed > 0 ? counts : { ...counts, failed: 1 }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function countsOf(report: string): Counts {
  const counts = JSON.parse(report) as Readonly<Record<string, number | undefined>>
  const count = (name: string): number => counts[`num${name}Tests`] ?? 0
  return { passed: count('Passed'), failed: count('Failed'), skipped: count('Pending') + count('Todo') }
}

async function run(program: string, argv: readonly string[]): Promise<number> {
  const path = `${join(root, 'node_modules', '.bin')}:${process.env['PATH'] ?? ''}`
  const child = spawn(program, argv, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH: path },
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
