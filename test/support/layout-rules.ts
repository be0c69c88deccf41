import { posix } from 'node:path'

/** Who may import whom, and what may stand where: DESIGN's chain, as functions over paths and texts. */
export type Tree = ReadonlyMap<string, string>

/** One line for each break of a rule: `FILE: what it does, and why that is not allowed`. */
export function violations(tree: Tree): string[] {
  const sources = [...tree].filter(([path]) => isSource(path))
  return [
    ...sources.flatMap(([path, text]) => importsOf(text).flatMap((found) => judgeImport(path, found))),
    ...sources.flatMap(([path, text]) => judgeGlobals(path, text)),
    ...judgePackages(sources),
    ...[...tree].flatMap(([path, text]) => judgeFile(path, text)),
  ]
}

/** Folders by how far down the chain they stand; a folder imports from what is further down, and from itself. */
const layers: readonly (readonly [RegExp, number])[] = [
  [/^src\/cli\.ts$/, 0],
  [/^src\/commands\//, 1],
  [/^src\/(config\/)?[^/]+$/, 2],
  [/^src\/(acme|dns|state)\//, 3],
  [/^(providers|deploy)\//, 3],
  [/^src\/core\//, 4],
]

/** Seams: others import their types, never what implements them. */
const contracts = ['src/state/store.ts', 'src/dns/solver.ts', 'providers/provider.ts', 'deploy/shell.ts']

/** What stands behind a seam, named by the wiring and by its own folder alone. */
const implementations = ['src/state/files.ts', 'src/acme/client.ts', 'providers/index.ts', 'deploy/ssh.ts']

const pureBuiltins = ['node:crypto', 'node:util', 'node:url', 'node:buffer']
/** Packages that only compute: bytes in, bytes out. */
const purePackages = ['dns-packet', 'node-forge', 'tldts']
const ourselves = 'certs'

const homes: readonly (readonly [string, RegExp])[] = [
  ['ssh2', /^deploy\/ssh(\.ts$|[-/])/],
  ['acme-client', /^src\/acme\/client\.ts$/],
  ['p-queue', /^deploy\/rollout\.ts$/],
]

interface Import {
  readonly from: string
  readonly typeOnly: boolean
  readonly names: string
}

function importsOf(text: string): Import[] {
  const code = text.replaceAll(/^\s*(\/\/|\/?\*).*$/gm, '')
  const statements = code.matchAll(
    /^(?:import|export)\s+(type\s+)?(?:(\{[^}]*\}|\*(?:\s+as\s+\w+)?|\w+(?:,\s*\{[^}]*\})?)\s+from\s+)?'([^']+)'/gm,
  )
  const calls = code.matchAll(/\b(?:import|require)\(\s*['"`]([^'"`]+)['"`]\s*\)/g)
  return [
    ...[...statements].map(([, type, names = '', from = '']) => ({
      from,
      names,
      typeOnly: type !== undefined,
    })),
    ...[...calls].map(([, from = '']) => ({ from, names: '', typeOnly: false })),
  ]
}

function judgeImport(path: string, { from, typeOnly, names }: Import): string[] {
  if (!from.startsWith('.')) return judgeForeign(path, from, names)
  const target = posix.join(posix.dirname(path), from)
  if (typeOnly && contracts.includes(target)) return []
  const [ours, theirs] = [layerOf(path), layerOf(target)]
  if (folderOf(path) === folderOf(target)) return []
  if (theirs === undefined)
    return target === 'package.json' ? [] : [`${path}: imports ${target}, which is no source`]
  if (ours === undefined || theirs < ours) return [`${path}: imports ${target}, which stands above it`]
  if (theirs === ours && ours !== 2)
    return [`${path}: imports ${target}, a sibling; its seam is a contract file`]
  if (implementations.includes(target) && path !== 'src/app.ts') {
    return [`${path}: imports ${target}; only src/app.ts names implementations`]
  }
  return []
}

function judgeForeign(path: string, from: string, names: string): string[] {
  const name = packageOf(from)
  const home = homes.find(([guest]) => guest === name)?.[1]
  if (home && !home.test(path)) return [`${path}: imports ${name}, whose place is ${home.source}`]
  if (!path.startsWith('src/core/')) return []
  const pure = pureBuiltins.includes(from) || purePackages.includes(name)
  // The one function of node:net that opens nothing.
  return pure || (from === 'node:net' && names === '{ isIP }')
    ? []
    : [`${path}: imports ${from}; src/core is pure`]
}

function judgePackages(sources: readonly (readonly [string, string])[]): string[] {
  const users = new Map<string, Set<string>>()
  for (const [path, text] of sources) {
    for (const { from } of importsOf(text)) {
      const name = packageOf(from)
      if (from.startsWith('.') || from.startsWith('node:') || name === ourselves) continue
      users.set(name, (users.get(name) ?? new Set()).add(folderOf(path)))
    }
  }
  return [...users]
    .filter(([, folders]) => folders.size > 1)
    .map(([name, folders]) => `${[...folders].join(', ')}: import ${name}; one package, one importing folder`)
}

function judgeGlobals(path: string, text: string): string[] {
  const code = text.replaceAll(/^\s*(\/\/|\/?\*).*$/gm, '')
  const impure =
    /\b(process|console|globalThis)\.|\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bsetTimeout\(|\bfetch\(/
  const program = /\bprocess\.(argv|exitCode|exit)\b/
  const found: string[] = []
  const says = (pattern: RegExp) => pattern.exec(code)?.[0]
  if (path.startsWith('src/core/') && says(impure))
    found.push(`${path}: uses ${says(impure)}; src/core is pure`)
  if (path !== 'src/cli.ts' && says(program))
    found.push(`${path}: uses ${says(program)}; only src/cli.ts does`)
  return found
}

/** A test file holds tables and texts beside its claims. */
const longestFile = (path: string): number => (path.startsWith('test/') ? 500 : 300)
const vagueName = /(^|-)(utils?|helpers?|types?|constants?|managers?|services?)\.(ts|sh)$/

function judgeFile(path: string, text: string): string[] {
  const lines = text.split('\n').length - 1
  const name = posix.basename(path)
  const mocks = path.startsWith('test/') && new RegExp(String.raw`\bvi\.(mock|doMock)\b`).test(text)
  return [
    ...(lines > longestFile(path) ? [`${path}: has ${lines} lines; ${longestFile(path)} is the most`] : []),
    ...(vagueName.test(name) ? [`${path}: is named after no concept`] : []),
    ...(mocks ? [`${path}: mocks a module`] : []),
  ]
}

function isSource(path: string): boolean {
  return /^(src|providers|deploy)\/.*\.ts$/.test(path) && !path.endsWith('.d.ts')
}

function layerOf(path: string): number | undefined {
  return layers.find(([pattern]) => pattern.test(path))?.[1]
}

/** `src/acme`, `deploy`, …: what counts as one folder, however deep it is. */
function folderOf(path: string): string {
  const [top = '', second = ''] = path.split('/')
  return top === 'src' && !second.endsWith('.ts') ? `src/${second}` : top
}

function packageOf(from: string): string {
  return from
    .split('/')
    .slice(0, from.startsWith('@') ? 2 : 1)
    .join('/')
}
