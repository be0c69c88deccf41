import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodePlan, encodePlan } from '../../src/core/saved-plan.ts'
import { openFiles } from '../../src/state/files.ts'
import { command } from '../lab/command.ts'
import { cli } from '../lab/incident.ts'
import { issueVersion } from '../support/issue-version.ts'

const name = 'media.hachyderm.io'
const secret = 'a-token-that-stands-in-the-configuration'

let folder: string
let saved: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'certs-plan-'))
  await using store = await openFiles(join(folder, 'state'))
  await store.addVersion(await issueVersion(name, 1))
  const config = `export default { state: './state', acme: { directory: 'https://127.0.0.1:9/dir' },
    dns: { cf: { provider: 'cloudflare', apiToken: '${secret}' } }, certificates: { '${name}': {} } }`
  await writeFile(join(folder, 'certs.config.ts'), config)
  const { exitCode } = await certs('plan --out good.json')
  expect(exitCode).toBe(0)
  saved = await readFile(join(folder, 'good.json'), 'utf8')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function certs(line: string) {
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent' }
  const { stdout, stderr, exitCode } = await command([process.execPath, cli, ...line.split(' ')], {
    cwd: folder,
    env,
  })
  return { said: `${stdout}${stderr}`.replaceAll(`${folder}/`, ''), exitCode }
}

/** The saved plan with another date, its sum made anew. */
function dated(at: string, expires: string): string {
  return encodePlan({ ...decodePlan(saved, 'good.json'), at, expires })
}

test('what was saved holds no secret of the configuration, and can be applied', async () => {
  expect(saved).not.toContain(secret)
  const { said, exitCode } = await certs('apply --plan good.json --yes')
  expect(said).toMatch(/^No changes\. media\.hachyderm\.io is version 1 on 0 nodes, valid until /m)
  expect(exitCode).toBe(0)
})

test('a plan is written over by a plan, and nothing is left beside it', async () => {
  await writeFile(join(folder, 'again.json'), saved)
  expect(await certs('plan --out again.json')).toMatchObject({ exitCode: 0 })
  expect((await readdir(folder)).filter((file) => file.startsWith('again'))).toEqual(['again.json'])
})

test('no other file is written over, not even through a link', async () => {
  const before = await readFile(join(folder, 'certs.config.ts'), 'utf8')
  await symlink('certs.config.ts', join(folder, 'link.json'))
  for (const file of ['certs.config.ts', 'link.json']) {
    expect(await certs(`plan --out ${file}`)).toEqual({
      said: `certs: error: writing the plan to ${file} failed: it exists already and is no saved plan\ncerts: hint: name another file with --out, or move that one away\n`,
      exitCode: 2,
    })
  }
  expect(await readFile(join(folder, 'certs.config.ts'), 'utf8')).toBe(before)
})

test.each([
  [
    'apply --plan none.json --yes',
    'certs: error: reading the plan in none.json failed: ENOENT\ncerts: hint: certs plan --out FILE saves one\n',
    2,
  ],
  ['apply --plan folder --yes', 'certs: error: reading the plan in folder failed: it is no file\n', 2],
  ['apply --plan pipe --yes', 'certs: error: reading the plan in pipe failed: it is no file\n', 2],
  [
    'apply --plan certs.config.ts --yes',
    'certs: error: reading the plan in certs.config.ts failed: certs did not save it\ncerts: hint: certs plan --out FILE saves one\n',
    2,
  ],
  [
    'apply --plan open.json --yes',
    'certs: error: reading the plan in open.json failed: everybody may write it\ncerts: hint: look at it, then: chmod o-w open.json\n',
    2,
  ],
  [
    'apply --plan edited.json --yes',
    'certs: error: reading the plan in edited.json failed: it was changed after it was saved\ncerts: hint: save it again: certs plan --out FILE\n',
    2,
  ],
  [
    'apply --plan old.json --yes',
    'certs: error: the plan in old.json is too old: it was good until 2026-01-08 00:00 UTC\ncerts: hint: look again, and save it again: certs plan --out FILE\n',
    1,
  ],
  [
    'apply --plan good.json',
    'certs: error: certs apply: this is no terminal, so nobody can be asked\ncerts: hint: certs apply --plan good.json --yes\n',
    2,
  ],
  [
    `apply --plan good.json ${name} --yes`,
    `certs: error: certs apply: the plan says what is done, so --plan and ${name} exclude each other\ncerts: hint: certs apply --plan good.json\ncerts: hint: or save another plan: certs plan NAME… --out FILE\n`,
    2,
  ],
  [
    'apply good.json --yes',
    'certs: error: no certificate "good.json" is configured here\ncerts: hint: to do a saved plan: certs apply --plan good.json\n',
    2,
  ],
  ['plan --json --markdown', 'certs: error: certs plan: --json and --markdown exclude each other\n', 2],
])('certs %s: refused, and nothing is changed', async (line, said, exitCode) => {
  await mkdir(join(folder, 'folder'), { recursive: true })
  await command(['mkfifo', join(folder, 'pipe')])
  await writeFile(join(folder, 'open.json'), saved)
  await chmod(join(folder, 'open.json'), 0o666)
  await writeFile(join(folder, 'edited.json'), saved.replace('version 1', 'version 2').replace('"0"', '"9"'))
  await writeFile(join(folder, 'old.json'), dated('2026-01-01T00:00:00.000Z', '2026-01-08T00:00:00.000Z'))
  const before = await readdir(folder, { recursive: true })
  expect(await certs(line)).toEqual({ said, exitCode })
  expect(await readdir(folder, { recursive: true })).toEqual(before)
})
