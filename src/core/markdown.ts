import { printableLine } from './printable.ts'

/** A table of plain cells; empty without rows. */
export function renderMarkdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    line(header),
    line(header.map(() => '---')),
    ...rows.map((row) => line(row.map(escapeMarkdown))),
  ].join('\n')
}

/** One line of plain text. A zero-width space stops `@name` from calling somebody; all else is CommonMark's escapes. */
export function escapeMarkdown(text: string): string {
  return printableLine(text, { max: 600 })
    .replaceAll(/[\\`*_[\]<>&|~#]/g, (character) => `\\${character}`)
    .replace(/^[-+=]|^\d+(?=[.)])/, (start) => (/\d/.test(start) ? `${start}\\` : `\\${start}`))
    .replaceAll('://', '\\://')
    .replaceAll(/www\./gi, (start) => `${start.slice(0, 3)}\\.`)
    .replaceAll('@', '@&#8203;')
}

/** To be copied as it stands. */
export function codeSpan(text: string): string {
  const line = printableLine(text, { max: 600 })
  const fence = fenceFor(line, 1)
  const gap = line.startsWith('`') || line.endsWith('`') ? ' ' : ''
  return `${fence}${gap}${line}${gap}${fence}`
}

/** Longer than any run of backticks within. */
export function fenceFor(text: string, least: number): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length))
  return '`'.repeat(Math.max(least, longest + 1))
}
