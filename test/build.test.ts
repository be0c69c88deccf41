import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const node = process.execPath
let folder: string

/** Runs to the end whatever the exit code is. */
async function run(args: readonly string[], env: Record<string, string> = {}) {
  const done = await promisify(execFile)(node, args, { cwd: folder, env: { ...process.env, ...env } }).then(
    (said) => ({ ...said, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => error,
  )
  return { code: done.code, stdout: done.stdout, stderr: done.stderr }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'certs-build-'))
  await promisify(execFile)(node, ['build.ts', join(folder, 'dist')], { cwd: root })
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  await mkdir(join(folder, 'node_modules'))
  // The lock's native code is all that is not in the bundle; it finds its own dependencies where it really is.
  await symlink(
    join(root, 'node_modules/fs-native-extensions'),
    join(folder, 'node_modules/fs-native-extensions'),
  )
}, 60_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

test('the built program needs nothing of the repository: version and every help', async () => {
  const manifest: { version: string } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  expect(await run(['dist/certs.js', '--version'])).toEqual({
    code: 0,
    stdout: `certs ${manifest.version}\n`,
    stderr: '',
  })
  const general = await run(['dist/certs.js', '--help'])
  const verbs = [...general.stdout.matchAll(/^ {2}(?!certs)([a-z]+(?: [a-z]+)?)(?= {2,}| [A-Z[])/gm)].map(
    ([, verb = '']) => verb,
  )
  expect(verbs).toEqual(expect.arrayContaining(['rollout', 'check', 'state seal', 'nodes adopt']))
  for (const verb of new Set(verbs)) {
    expect(await run(['dist/certs.js', ...verb.split(' '), '--help'])).toMatchObject({ code: 0, stderr: '' })
  }
})

test('the built program takes the lock, reads the node program and speaks SSH as far as a closed port', async () => {
  await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'id')])
  await writeFile(join(folder, 'known_hosts'), '')
  const config = {
    state: join(folder, 'state'),
    acme: { directory: 'https://127.0.0.1:1/directory', contact: ['ops@example.com'] },
    dns: { main: { provider: 'cloudflare', apiToken: { env: 'CERTS_TEST_TOKEN' } } },
    resolvers: ['127.0.0.1:1'],
    ssh: { user: 'root', identity: 'id', knownHosts: 'known_hosts' },
    nodes: { sally: { address: '127.0.0.1', port: 1 } },
    certificates: { 'media.example.com': { nodes: ['sally'] } },
  }
  await writeFile(join(folder, 'certs.config.ts'), `export default ${JSON.stringify(config)}\n`)
  const { code, stderr } = await run(['dist/certs.js', 'rollout', 'media.example.com'], {
    CERTS_TEST_TOKEN: 't',
  })
  expect(code).toBe(1)
  expect(stderr).toContain('connect to [127.0.0.1]:1 failed: connection refused')
})

test('on a Node.js that is too old the launcher says so, and where this one is', async () => {
  const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`
  const old = [
    '--import',
    `data:text/javascript,${encodeURIComponent(pretend)}`,
    'dist/certs.js',
    '--version',
  ]
  expect(await run(old)).toEqual({
    code: 2,
    stdout: '',
    stderr:
      'certs: error: Node.js 20.20.2 is too old: certs needs 24 or later\n' +
      `certs: hint: this one is ${node}; newer ones are at https://nodejs.org/en/download\n`,
  })
})
