/** `npm run build`: the sources as plain JavaScript in dist/, one chunk for each command. */
import { chmod, copyFile, glob, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { build } from 'esbuild'

const root = import.meta.dirname
const dist = join(root, 'dist')
const lib = join(dist, 'lib')

// Packages that were CommonJS ask for Node's own modules by require; nothing else is to be had by it.
const requireBuiltin =
  'const require = (id) => { const it = process.getBuiltinModule(id); if (it) return it; throw new Error(`no ${id}`) };'

await rm(dist, { recursive: true, force: true })
const { metafile } = await build({
  entryPoints: [join(root, 'src/cli.ts')],
  outdir: lib,
  absWorkingDir: root,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  keepNames: true,
  treeShaking: true,
  legalComments: 'none',
  chunkNames: '[name]-[hash]',
  // Native code can't be bundled. ssh2 does without its two optional pieces.
  external: ['fs-native-extensions', 'cpu-features', '*.node'],
  banner: { js: requireBuiltin },
  metafile: true,
  logLevel: 'warning',
})
for await (const part of glob(join(root, 'deploy/node/*.sh'))) await copyFile(part, join(lib, basename(part)))
await copyFile(join(root, 'bin/certs.js'), join(dist, 'certs.js'))
await chmod(join(dist, 'certs.js'), 0o755)
await writeFile(join(dist, 'THIRD-PARTY.txt'), await licences(Object.keys(metafile.inputs)))

const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0)
process.stdout.write(`dist: ${Object.keys(metafile.outputs).length} files, ${Math.round(bytes / 1024)} kB\n`)

/** The licence of each package that went into the bundle. */
async function licences(inputs: readonly string[]): Promise<string> {
  const folders = inputs.flatMap((input) => /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? [])
  const texts = [...new Set(folders)].toSorted().map(async (folder) => {
    const { name, version, license }: Record<string, string> = JSON.parse(
      await readFile(join(root, folder, 'package.json'), 'utf8'),
    )
    const files = await Array.fromAsync(glob('LICEN[CS]E*', { cwd: join(root, folder) }))
    const text = files[0] ? await readFile(join(root, folder, files[0]), 'utf8') : ''
    return `${name} ${version} (${license})\n\n${text.trim()}\n`
  })
  return (await Promise.all(texts)).join(`\n${'-'.repeat(80)}\n\n`)
}
