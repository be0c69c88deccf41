import { stripVTControlCharacters } from 'node:util'

/** C0 but newline, DEL, C1, line and paragraph separators, and what changes the direction of text. */
const control =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu

/**
 * What another machine said, fit for a terminal and a log: no escape sequences and no control characters but
 * newlines (a tab becomes a space), no blank lines, at most `max` characters, the end cut and marked with `…`.
 */
export function printable(text: string, { max = 2000 }: { readonly max?: number } = {}): string {
  // What is cut away is not worth the scan: a node may send megabytes.
  const plain = stripVTControlCharacters(text.slice(0, max * 8).toWellFormed())
    .replaceAll('\t', ' ')
    .replace(control, '')
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .join('\n')
  return plain.length > max ? `${plain.slice(0, max - 1).toWellFormed()}…` : plain
}

/** The same on one line, for the middle of a sentence. */
export function printableLine(text: string, options: { readonly max?: number } = {}): string {
  return printable(text, { max: 200, ...options }).replaceAll('\n', '; ')
}
