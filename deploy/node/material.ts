import { X509Certificate } from 'node:crypto'
import { readLeaf, sha256 } from '../../src/core/certificate.ts'
import type { FoundCertificate, FoundKey, Material, MaterialFile } from '../../src/core/material.ts'
import type { ConfigurationFile, Directive } from '../../src/core/nginx-configuration.ts'
import type { Node } from '../../src/core/node.ts'
import { printable, printableLine } from '../../src/core/printable.ts'
import type { Answer } from './frame.ts'

const lackings: Readonly<Record<string, string>> = {
  findutils: 'find and xargs are not installed there',
  time: 'the search took too long, and was ended',
}

type Said = Pick<Answer, 'all' | 'last'>

/** Puts together what the program said of a node. What is no certificate after all is left out. */
export function readMaterial(node: Node, { all, last }: Said): Material {
  const [installed, running] = last('found')?.split(' ') ?? []
  const missing = last('lacking')
  return {
    node: node.name,
    clock: line(last('clock')),
    system: line(last('system')),
    nginx: {
      configured: 'nginx' in node.services,
      installed: installed === 'yes',
      running: running === 'yes',
      test: { ok: last('test') === '0', output: printable(all('said').join('\n')) },
      configuration: readConfiguration(all('conf')),
    },
    named: all('named')
      .map(splitAtTab)
      .map(([at, path]) => ({ path: line(path), at: line(at) })),
    files: readFiles(all),
    folders: Object.fromEntries(
      all('folder')
        .map(splitAtTab)
        .map(([mode, path]) => [line(path), line(mode)]),
    ),
    root: node.root,
    renewers: {
      timers: all('timer').map(line),
      cron: all('cron').map((entry) => {
        const [program = '', at = ''] = entry.split(/ +/)
        return { program: line(program), at: line(at) }
      }),
      lineages: all('renewal').map((file) => line(file.replace(/\.conf$/, ''))),
    },
    ...(missing === undefined ? {} : { lacking: lackings[missing] ?? line(missing) }),
  }
}

function readFiles(all: Said['all']): MaterialFile[] {
  const certificates = new Map<string, FoundCertificate>()
  for (const [base64, path] of all('leaf').map(splitAtTab)) {
    const found = readCertificate(base64)
    if (found) certificates.set(path, found)
  }
  for (const [known, path] of all('same').map(splitAtTab)) {
    const found = certificates.get(known)
    if (found) certificates.set(path, found)
  }
  const keys = new Map(
    all('public')
      .map(splitAtTab)
      .map(([base64, path]) => [path, readKey(base64)]),
  )
  const targets = new Map(all('link').flatMap(readLink))
  const listed = all('file').map((text) => text.split('\t'))
  // Content was looked at by one path of each file.
  const byId = <T>(known: ReadonlyMap<string, T>) =>
    new Map(listed.flatMap(([id = '', , , path = '']) => (known.has(path) ? [[id, known.get(path)!]] : [])))
  const [certificateOf, keyOf] = [byId(certificates), byId(keys)]
  return listed.flatMap(([id = '', mode = '', owner = '', path = '']): MaterialFile[] => {
    const [certificate, key, target] = [certificateOf.get(id), keyOf.get(id), targets.get(path)]
    if (!certificate && !key) return []
    return [
      {
        path: line(path),
        id,
        mode: line(mode),
        owner: line(owner),
        ...(target === undefined ? {} : { target: line(target) }),
        ...(certificate ? { certificate } : {}),
        ...(key ? { key } : {}),
      },
    ]
  })
}

function readCertificate(base64: string): FoundCertificate | undefined {
  try {
    const der = Buffer.from(base64, 'base64')
    const x509 = new X509Certificate(der)
    const leaf = readLeaf(der)
    return {
      ...leaf,
      names: leaf.names.map(line),
      issuer: line(leaf.issuer),
      // What openssl makes for a test has CA:TRUE and names.
      authority: x509.ca && leaf.names.length === 0,
      selfSigned: x509.subject === x509.issuer,
    }
  } catch {
    return undefined
  }
}

/** Empty where a password is needed or it is no key after all, `-` without openssl. */
function readKey(base64: string): FoundKey {
  return base64 === '' || base64 === '-' ? {} : { spki: sha256(Buffer.from(base64, 'base64')) }
}

/** `symbolic link`, the path, and as stat says it `PATH -> TARGET`; busybox puts each between quotes. */
function readLink(text: string): [string, string][] {
  const [, path = '', said = ''] = text.split('\t')
  const plain = `${path} -> `
  if (said.startsWith(plain)) return [[path, said.slice(plain.length)]]
  const quoted = `'${path}' -> '`
  return said.startsWith(quoted) ? [[path, said.slice(quoted.length, -1)]] : []
}

function readConfiguration(lines: readonly string[]): ConfigurationFile[] {
  const files: { path: string; directives: Directive[] }[] = []
  for (const [kind, first = '', ...words] of lines.map((text) => text.split('\t'))) {
    const directives = files.at(-1)?.directives
    if (kind === 'file') files.push({ path: line(first), directives: [] })
    else if (kind === 'shut') directives?.push({ kind: 'shut' })
    else if (kind === 'open') directives?.push({ kind: 'open', line: Number(first), name: words[0] ?? '' })
    else if (kind === 'set') directives?.push({ kind: 'set', line: Number(first), words: words.map(line) })
  }
  return files
}

function splitAtTab(text: string): [string, string] {
  const tab = text.indexOf('\t')
  return tab < 0 ? [text, ''] : [text.slice(0, tab), text.slice(tab + 1)]
}

/** What a node says may stand in a terminal. A path is no longer than 4096 bytes (PATH_MAX). */
function line(text = ''): string {
  return printableLine(text, { max: 4096 })
}
