/**
 * `npm run build`: the sources as plain JavaScript in dist/ (or in the folder named), one chunk for each
 * command, and the types.
 */
import { execFile } from 'node:child_process'
import { chmod, copyFile, glob, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'

const root = import.meta.dirname
const dist = resolve(root, process.argv[2] ?? 'dist')
const lib = join(dist, 'lib')

// What packages that were CommonJS expect to find; require gives Node's own modules and nothing else.
const commonJs = [
  'const require = (id) => { const it = process.getBuiltinModule(id); if (it) return it; throw new Error(`no ${id}`) }',
  'const __dirname = import.meta.dirname',
].join('\n')

await rm(dist, { recursive: true, force: true })
const [{ metafile }] = await Promise.all([bundle(), writeTypes()])
for await (const part of glob(join(root, '{deploy/node,providers}/*.sh')))
  await copyFile(part, join(lib, basename(part)))
await copyFile(join(root, 'bin/certs.js'), join(dist, 'certs.js'))
await chmod(join(dist, 'certs.js'), 0o755)
await writeFile(join(dist, 'THIRD-PARTY.txt'), await licences(Object.keys(metafile.inputs)))

const outputs = Object.values(metafile.outputs)
const bytes = outputs.reduce((sum, output) => sum + output.bytes, 0)
process.stdout.write(`dist: ${outputs.length} chunks, ${Math.round(bytes / 1024)} kB\n`)

async function bundle() {
  return build({
    entryPoints: [join(root, 'src/cli.ts')],
    outdir: lib,
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    keepNames: true,
    // A third less to read and to parse at every start; names stay, for what a stack says.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    chunkNames: '[name]-[hash]',
    // Native code can't be bundled. ssh2 does without its two optional pieces.
    external: ['fs-native-extensions', 'cpu-features', '*.node'],
    banner: { js: commonJs },
    metafile: true,
    logLevel: 'warning',
  })
}

/** What a `certs.config.ts` imports: types alone. */
async function writeTypes(): Promise<void> {
  const options = [
    '--declaration',
    '--emitDeclarationOnly',
    '--outDir',
    join(dist, 'types'),
    '--rootDir',
    root,
  ]
  const language = [
    '--ignoreConfig',
    '--module',
    'nodenext',
    '--target',
    'es2024',
    '--strict',
    '--skipLibCheck',
  ]
  const imports = ['--allowImportingTsExtensions', '--exactOptionalPropertyTypes', '--types', 'node']
  const tsc = join(root, 'node_modules/.bin/tsc')
  await promisify(execFile)(tsc, ['src/index.ts', ...options, ...language, ...imports], { cwd: root })
}

/** The licence of each package that went into the bundle. */
async function licences(inputs: readonly string[]): Promise<string> {
  const folders = inputs.flatMap((input) => /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? [])
  const texts = [...new Set(folders)].toSorted().map(async (folder) => {
    const manifest = await readFile(join(root, folder, 'package.json'), 'utf8')
    const { name, version, license }: Record<string, string> = JSON.parse(manifest)
    const files = await Array.fromAsync(glob('LICEN[CS]E*', { cwd: join(root, folder) }))
    const text = files[0] ? await readFile(join(root, folder, files[0]), 'utf8') : ''
    return `${name} ${version} (${license})\n\n${text.trim()}\n`
  })
  return (await Promise.all(texts)).join(`\n${'-'.repeat(80)}\n\n`)
}
