import { readFileSync } from 'node:fs'

/** The program's files, in the order they are put together; functions only, `main` last. */
const parts = ['frame', 'nginx', 'reads', 'lineage', 'lock', 'stage', 'switch', 'install', 'inspect', 'main']

let text: string | undefined

/** The whole program as it stands in the repository. */
export function programText(): string {
  text ??= parts.map((part) => readFileSync(new URL(`./${part}.sh`, import.meta.url), 'utf8')).join('')
  return text
}

/**
 * What every input begins with, for `Shell.prepare`. Comment lines and indentation stay at home: what is sent
 * then fits into the first flights of a TCP connection.
 */
export function programPrefix(): string {
  return programText().replaceAll(/^[ \t]*#.*\n|^[ \t]+|^\n/gm, '')
}
