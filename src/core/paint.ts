import { stripVTControlCharacters, styleText } from 'node:util'

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Colours, or none: the same text either way. */
export type Paint = (style: Style, text: string) => string

export const plainPaint: Paint = (_style, text) => text
export const colourPaint: Paint = (style, text) => styleText(style, text, { validateStream: false })

/** Lines whose columns line up; the last column is not padded. Widths leave colours out. */
export function table(rows: readonly (readonly string[])[], indent = ''): string[] {
  const widths = rows.reduce<number[]>((found, row) => {
    row.forEach((cell, column) => (found[column] = Math.max(found[column] ?? 0, width(cell))))
    return found
  }, [])
  return rows.map((row) =>
    (indent + row.map((cell, column) => pad(cell, widths[column]!)).join('  ')).trimEnd(),
  )
}

function pad(cell: string, to: number): string {
  return cell + ' '.repeat(to - width(cell))
}

function width(cell: string): number {
  return stripVTControlCharacters(cell).length
}
