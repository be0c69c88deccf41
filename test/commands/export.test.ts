import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { filesOf, type Version } from '../../src/core/certificate.ts'
import { openFiles } from '../../src/state/files.ts'
import { command, type CommandOptions } from '../lab/command.ts'
import { cli } from '../lab/incident.ts'
import { issueVersion } from '../support/issue-version.ts'

const name = 'media.hachyderm.io'
const password = 'correct horse battery'

let folder: string
let versions: readonly Version[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'certs-export-'))
  versions = await Promise.all([issueVersion(name, 1), issueVersion(name, 2)])
  await using store = await openFiles(join(folder, 'state'))
  for (const version of versions) await store.addVersion(version)
  const config = `export default { state: './state', dns: { cf: { provider: 'cloudflare', apiToken: 'x' } },
    certificates: { '${name}': {}, 'new.example': {} } }`
  await writeFile(join(folder, 'certs.config.ts'), config)
  await writeFile(join(folder, 'secret'), `${password}\n`, { mode: 0o600 })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const env = { PATH: process.env['PATH'], HOME: '/nonexistent', SECRET: password }
const certs = (line: string, options: CommandOptions = {}) =>
  command([process.execPath, cli, ...line.split(' ')], { cwd: folder, env, ...options })

const opened = async (file: string) =>
  (
    await command(['openssl', 'pkcs12', '-in', join(folder, file), '-passin', 'env:SECRET', '-nodes'], {
      env,
    })
  ).stdout

test('a pem file holds key, leaf and chain of the newest version, is private, and is in the journal', async () => {
  const { stdout, exitCode } = await certs(`export ${name} --out media.pem`)
  expect({ stdout, exitCode }).toEqual({
    stdout: `Wrote version 2 of ${name} with its key to ${join(folder, 'media.pem')}.\n`,
    exitCode: 0,
  })
  const { privkey, fullchain } = filesOf(versions[1]!)
  expect(await readFile(join(folder, 'media.pem'), 'utf8')).toBe(privkey + fullchain)
  expect((await stat(join(folder, 'media.pem'))).mode & 0o777).toBe(0o600)
  expect((await certs('history')).stdout).toContain(`exported version 2 of ${name} with its key to`)
})

test('never overwrites, whatever is there', async () => {
  await writeFile(join(folder, 'there.pem'), 'precious')
  const { stderr, exitCode } = await certs(`export ${name} --out there.pem`)
  expect({ stderr, exitCode }).toEqual({
    stderr: `certs: error: writing ${join(folder, 'there.pem')} failed: it exists already\ncerts: hint: name another file with --out, or move that one away\n`,
    exitCode: 1,
  })
  expect(await readFile(join(folder, 'there.pem'), 'utf8')).toBe('precious')
})

test.each([
  ['a file', '--password-file secret'],
  ['the environment', '--password-env SECRET'],
])('a pkcs12 file is sealed by a password from %s', async (_where, option) => {
  const out = `${option.replaceAll(/\W/g, '')}.p12`
  expect(await certs(`export ${name} --version 1 --format pkcs12 --out ${out} ${option}`)).toMatchObject({
    exitCode: 0,
  })
  expect((await stat(join(folder, out))).mode & 0o777).toBe(0o600)
  const text = await opened(out)
  expect(text).toContain(versions[0]!.key.reveal().trim())
  expect(text).toContain(versions[0]!.leaf.trim())
  expect(text).toContain(versions[0]!.chain.trim())
})

test.each([
  ['twice the same', [`${password}\n`, `${password}\n`], 0],
  ['twice the same, pasted', [`${password}\n${password}\n`], 0],
  ['two that differ', [`${password}\n`, 'another\n'], 2],
  ['nothing', ['\n'], 2],
  ['the end of input', ['\u0004'], 2],
  ['Ctrl-C', ['\u0003'], 2],
])('on a terminal the password is typed and not shown: %s', async (what, typed, code) => {
  const out = `${what.replaceAll(/\W/g, '-')}.p12`
  const line = `${process.execPath} ${cli} export ${name} --format pkcs12 --out ${out}`
  const terminal = spawn('script', ['-qec', line, '/dev/null'], { cwd: folder, env })
  const said: string[] = []
  const left = [...typed]
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.push(text)
    if (text.endsWith(': ')) terminal.stdin.write(left.shift() ?? '')
  })
  expect(await once(terminal, 'close')).toEqual([code, null])
  expect(said.join('')).not.toContain(password)
  if (code === 0) expect(await opened(out)).toContain('PRIVATE KEY')
  else expect(await readdir(folder)).not.toContain(out)
})

test.each([
  ['', 'certs export: NAME is missing'],
  [name, 'certs export: --out FILE is missing'],
  [`${name} --out x --format jks`, '--format "jks" is not known'],
  [`${name} --out x --password-file secret`, 'a pem file has no password, so --password-file means nothing'],
  [`${name} --out x --format pkcs12`, 'reading the password failed: this is no terminal'],
  [`${name} --out x --format pkcs12 --password-env NONE`, 'the environment variable NONE is not set'],
  [`${name} --out x --format pkcs12 --password secret`, 'unknown option "--password"'],
  [`${name} --out x --version 9`, `no version 9 of ${name} is stored in`],
  ['new.example --out x', 'no version of new.example is stored in'],
  [`${name} --out nowhere/x`, 'failed: ENOENT'],
])('certs export %s: says what is wrong, and writes nothing', async (line, said) => {
  const { stderr, exitCode } = await certs(`export ${line}`.trim())
  expect(stderr).toContain(said)
  expect(exitCode).not.toBe(0)
  expect(await readdir(folder)).not.toContain('x')
})
