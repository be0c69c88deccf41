import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { violations } from './support/layout-rules.ts'

const root = join(import.meta.dirname, '..')

async function readTree(): Promise<Map<string, string>> {
  const folders = ['src', 'providers', 'deploy', 'test', 'bench']
  const listed = await Promise.all(
    folders.map(async (folder) => {
      const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true })
      return entries.filter((entry) => entry.isFile() && /\.(ts|sh)$/.test(entry.name))
    }),
  )
  const paths = listed.flat().map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
  return new Map(
    await Promise.all(paths.map(async (path) => [path, await readFile(join(root, path), 'utf8')] as const)),
  )
}

test('every file keeps to its place', async () => {
  const tree = await readTree()
  expect(tree.size).toBeGreaterThan(50)
  expect(violations(tree)).toEqual([])
})

const from = (target: string) => `import { x } from '${target}'\n`

test.each([
  ['src/core/plan.ts', from('../acme/order.ts'), 'imports src/acme/order.ts, which stands above it'],
  ['src/core/plan.ts', from('../io.ts'), 'imports src/io.ts, which stands above it'],
  ['src/core/plan.ts', from('../../deploy/ssh.ts'), 'imports deploy/ssh.ts, which stands above it'],
  ['src/core/plan.ts', from('node:fs'), 'imports node:fs; src/core is pure'],
  [
    'src/core/plan.ts',
    `import {\n  readFile,\n} from 'node:fs/promises'`,
    'imports node:fs/promises; src/core is pure',
  ],
  ['src/core/plan.ts', `const fs = await import('node:fs')`, 'imports node:fs; src/core is pure'],
  ['src/core/plan.ts', `import { connect } from 'node:net'`, 'imports node:net; src/core is pure'],
  ['src/core/plan.ts', from('zod'), 'imports zod; src/core is pure'],
  ['src/core/plan.ts', `export const now = Date.now()`, 'uses Date.now; src/core is pure'],
  ['src/core/plan.ts', `export const now = new Date()`, 'uses new Date(); src/core is pure'],
  ['src/core/plan.ts', `export const n = Math.random()`, 'uses Math.random; src/core is pure'],
  ['src/core/plan.ts', `console.log(1)`, 'uses console.; src/core is pure'],
  ['src/core/plan.ts', `const { env } = process.env`, 'uses process.; src/core is pure'],
  ['src/acme/order.ts', from('../state/store.ts'), 'imports src/state/store.ts, a sibling'],
  ['src/acme/order.ts', from('../dns/solve.ts'), 'imports src/dns/solve.ts, a sibling'],
  ['src/acme/order.ts', `import type { X } from '../dns/solve.ts'`, 'imports src/dns/solve.ts, a sibling'],
  ['src/acme/order.ts', from('../app.ts'), 'imports src/app.ts, which stands above it'],
  ['providers/a.ts', from('../deploy/ssh.ts'), 'imports deploy/ssh.ts, a sibling'],
  ['deploy/a.ts', from('../providers/index.ts'), 'imports providers/index.ts, a sibling'],
  ['deploy/a.ts', from('../src/config/load.ts'), 'imports src/config/load.ts, which stands above it'],
  ['deploy/node/a.ts', from('../../src/state/files.ts'), 'imports src/state/files.ts, a sibling'],
  ['src/commands/plan.ts', from('../cli.ts'), 'imports src/cli.ts, which stands above it'],
  ['src/app.ts', from('./commands/plan.ts'), 'imports src/commands/plan.ts, which stands above it'],
  ['src/commands/plan.ts', from('../state/files.ts'), 'imports src/state/files.ts; only src/app.ts names'],
  ['src/apply.ts', from('../test/support/sshd.ts'), 'imports test/support/sshd.ts, which is no source'],
  ['deploy/inspect.ts', from('ssh2'), 'imports ssh2, whose place is'],
  ['src/acme/order.ts', from('acme-client'), 'imports acme-client, whose place is'],
  ['deploy/deploy.ts', from('p-queue'), 'imports p-queue, whose place is'],
  ['src/app.ts', `const [, , verb] = process.argv`, 'uses process.argv; only src/cli.ts does'],
  ['src/app.ts', `process.exitCode = 1`, 'uses process.exitCode; only src/cli.ts does'],
  ['deploy/ssh.ts', `process.exit(1)`, 'uses process.exit; only src/cli.ts does'],
  ['src/app.ts', 'x\n'.repeat(301), 'has 301 lines; 300 is the most'],
  ['src/utils.ts', '', 'is named after no concept'],
  ['test/support/ssh-helpers.ts', '', 'is named after no concept'],
  ['test/app.test.ts', ['vi', `mock('../src/app.ts')`].join('.'), 'mocks a module'],
])('the rules see through %s with %j', (path, text, because) => {
  expect(violations(new Map([[path, text]]))).toEqual([expect.stringContaining(`${path}: ${because}`)])
})

test('a package has one importing folder', () => {
  const tree = new Map([
    ['src/config/schema.ts', from('zod')],
    ['deploy/a.ts', from('zod/v4')],
  ])
  expect(violations(tree)).toEqual(['src/config, deploy: import zod; one package, one importing folder'])
})

test.each([
  ['src/acme/order.ts', `import type { Store } from '../state/store.ts'\n`],
  ['src/dns/solve.ts', `import type { Provider } from '../../providers/provider.ts'\n`],
  ['src/app.ts', from('./state/files.ts') + from('../deploy/ssh.ts') + from('./config/load.ts')],
  ['src/core/name-server.ts', `import { isIP } from 'node:net'\n`],
  ['src/core/plan.ts', `// console.log(1)\n/**\n * process.env\n */\n`],
  ['deploy/ssh/session.ts', from('ssh2') + from('../../src/core/node.ts')],
  ['src/cli.ts', 'process.exitCode = run(process.argv)\n'],
])('the rules let %s be with %j', (path, text) => {
  expect(violations(new Map([[path, text]]))).toEqual([])
})
