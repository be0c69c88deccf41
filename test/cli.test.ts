import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

const cli = path.resolve(import.meta.dirname, '../src/cli.ts')

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'certs-cli-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** Runs `certs` as a process of its own in an empty folder; what it printed and how it ended, whole. */
async function certs(line: string, env: Record<string, string> = {}): Promise<string> {
  const args = [cli, ...line.split(' ').filter((word) => word !== '')]
  const options = { cwd: folder, env: { PATH: process.env['PATH'], HOME: folder, ...env } }
  const { code, stdout, stderr } = await new Promise<{ code: number; stdout: string; stderr: string }>(
    (resolve) => {
      const child = execFile(process.execPath, args, options, (_error, out, err) => {
        resolve({ code: child.exitCode ?? -1, stdout: out, stderr: err })
      })
    },
  )
  return `${stdout}${stderr}exit ${code}\n`.replaceAll(folder, '.')
}

const configuration = `export default {
  state: './state',
  dns: { cf: { provider: 'cloudflare', apiToken: { env: 'TOKEN' } } },
  nodes: { sally: { address: '127.0.0.1', port: 1 } },
  certificates: { 'media.hachyderm.io': { nodes: ['sally'] } },
}
`

function configure(text = configuration): Promise<void> {
  return writeFile(path.join(folder, 'certs.config.ts'), text)
}

test.each([
  '',
  'plan',
  'apply',
  'rollout',
  'rollback',
  'renew',
  'status',
  'verify',
  'history',
  'check',
  'audit',
  'prune',
  'replace',
  'revoke',
  'export',
  'providers',
  'account create',
  'account rotate',
  'nodes trust',
  'nodes setup',
  'nodes adopt',
  'init',
  'completion',
])('certs %s --help is what was written by hand', async (command) => {
  expect(await certs(`${command} --help`)).toMatchSnapshot()
})

test('--version says the version of the package', async () => {
  const { version } = JSON.parse(await readFile(path.resolve(cli, '../../package.json'), 'utf8')) as {
    version: string
  }
  expect(await certs('--version')).toBe(`certs ${version}\nexit 0\n`)
})

test.each([
  [
    'an unknown command',
    'plna',
    'certs: error: unknown command "plna"\ncerts: hint: did you mean "certs plan"?\nexit 2\n',
  ],
  [
    'an unknown option',
    'plan --exit-cod',
    'certs: error: certs plan: unknown option "--exit-cod", did you mean "--exit-code"?\ncerts: hint: certs plan --help\nexit 2\n',
  ],
  [
    'a missing operand',
    'rollout',
    'certs: error: certs rollout: NAME is missing\ncerts: hint: certs rollout --help\nexit 2\n',
  ],
  [
    'one operand too many',
    'rollout a b',
    'certs: error: certs rollout: "b" is one argument too many\ncerts: hint: certs rollout --help\nexit 2\n',
  ],
  [
    'a version that is no number',
    'rollout a --to-version x',
    'certs: error: --to-version "x" is not a version number\ncerts: hint: certs history shows the numbers in use\nexit 2\n',
  ],
  [
    'two wishes that exclude each other',
    'rollout a --to-version 3 --force-renew',
    'certs: error: certs rollout: --force-renew and --to-version exclude each other\nexit 2\n',
  ],
  [
    'apply without a terminal',
    'apply',
    'certs: error: certs apply: this is no terminal, so nobody can be asked\ncerts: hint: certs apply --yes\nexit 2\n',
  ],
  [
    'a folder on the nodes that is no absolute path',
    'audit --folder tls',
    'certs: error: certs audit: --folder "tls" is no absolute path\ncerts: hint: it is a folder on the nodes: --folder /srv/tls\nexit 2\n',
  ],
  [
    'a proposal made of some nodes only',
    'audit --write-config x.ts --node sally',
    'certs: error: certs audit: --write-config needs all nodes\ncerts: hint: leave out --node\nexit 2\n',
  ],
  [
    'no configuration',
    'plan',
    'certs: error: no configuration found: looked for certs.config.ts and /etc/certs/certs.config.ts\ncerts: hint: certs init writes one; or name one with --config FILE\nexit 2\n',
  ],
  [
    'a configuration that is not there',
    'plan --config x.ts',
    'certs: error: no configuration found: looked for x.ts\ncerts: hint: name an existing file with --config\nexit 2\n',
  ],
  [
    'a login that is no user of its own',
    'nodes setup sally --user root',
    'certs: error: certs nodes setup: "root" is no name for a user of its own\ncerts: hint: small letters, digits, dashes and underscores, as certs\nexit 2\n',
  ],
  [
    'a setup that is to be done and printed',
    'nodes setup sally --apply --script',
    'certs: error: certs nodes setup: --apply and --script exclude each other\nexit 2\n',
  ],
])('says what is wrong with %s, and changes nothing', async (_what, line, said) => {
  expect(await certs(line)).toBe(said)
  expect(await readdir(folder)).toEqual([])
})

test('init writes a configuration, and never over another', async () => {
  expect(await certs('init')).toBe(
    'Wrote ./certs.config.ts.\nNext: edit it, then certs check, then certs plan.\nexit 0\n',
  )
  const written = await readFile(path.join(folder, 'certs.config.ts'), 'utf8')
  expect(await certs('init')).toBe(
    'certs: error: writing ./certs.config.ts failed: it exists already\ncerts: hint: edit ./certs.config.ts, or name another file with --config\nexit 2\n',
  )
  expect(await readFile(path.join(folder, 'certs.config.ts'), 'utf8')).toBe(written)
})

test('an unknown key in the configuration is named with the nearest known one', async () => {
  await configure(configuration.replace('nodes: { sally', 'noodes: { sally'))
  expect(await certs('plan')).toBe(
    'certs: error: reading ./certs.config.ts failed\n    ✖ unknown key "noodes", did you mean "nodes"?\ncerts: hint: edit it; certs init --config OTHER writes an example to compare with\nexit 2\n',
  )
})

test('a missing environment variable is named, and the way out', async () => {
  await configure()
  const said = await certs('check')
  expect(said).toContain(
    'certs: error: reading the secret dns.cf.apiToken failed: the environment variable TOKEN is not set\ncerts: hint: export TOKEN=…',
  )
  expect(said).toMatch(/exit 1\n$/)
  expect(await readdir(folder)).toEqual(['certs.config.ts'])
})

test('a name that is not configured is told from those that are', async () => {
  await configure()
  expect(await certs('plan media.hachyderm.oi')).toBe(
    'certs: error: no certificate "media.hachyderm.oi" is configured here\ncerts: hint: did you mean "media.hachyderm.io"?\nexit 2\n',
  )
})

test('history of a controller that has done nothing yet', async () => {
  await configure()
  expect(await certs('history')).toBe('Nothing has happened yet.\nexit 0\n')
  expect(await readdir(folder)).toEqual(['certs.config.ts'])
})

test('status of a node that can not be reached: named, with its cause, and nothing is written', async () => {
  await configure()
  const said = await certs('status')
  expect(said).toContain('sally: connect to [127.0.0.1]:1 failed: connection refused')
  expect(said).toContain('exit 1')
  expect(await readdir(folder)).toEqual(['certs.config.ts'])
})
