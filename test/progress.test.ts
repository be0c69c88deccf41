import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import type { Io } from '../src/io.ts'
import { createProgress } from '../src/progress.ts'

/** What a terminal of these few escape sequences shows in the end. */
function screenOf(text: string): string[] {
  const rows: string[] = ['']
  let row = 0
  // oxlint-disable-next-line no-control-regex
  for (const [piece] of text.matchAll(/\u001b\[(\d+)?[AJK]|\r|\n|[^\u001b\r\n]+/g)) {
    const up = /\[(\d+)A/.exec(piece)
    if (up) row -= Number(up[1])
    else if (piece === '\u001b[J') rows.splice(row, rows.length, '')
    else if (piece === '\n') rows[++row] ??= ''
    else if (piece !== '\r' && piece !== '\u001b[K') rows[row] = piece
  }
  return rows
}

test('what is said about a signal stays on the terminal, above the lines that move', () => {
  const [soft, urgent] = [new AbortController(), new AbortController()]
  const stderr = Object.assign(new PassThrough(), { isTTY: true, columns: 80 })
  const io = { stderr, env: { NO_COLOR: '1' }, signal: soft.signal, urgent: urgent.signal } as unknown as Io
  const progress = createProgress(io)
  progress.emit({ kind: 'node-connecting', node: 'sally' })
  progress.emit({ kind: 'node-connecting', node: 'esme' })
  soft.abort()
  stderr.write('certs: SIGINT\n')
  progress.emit({ kind: 'node-inspected', node: 'sally' })
  urgent.abort()
  stderr.write('certs: SIGINT again\n')
  progress.emit({ kind: 'node-inspected', node: 'esme' })
  const shown = () => screenOf(String(stderr.read() ?? ''))
  const [first, second, ...lines] = shown()
  expect([first, second]).toEqual(['certs: SIGINT', 'certs: SIGINT again'])
  expect(lines.map((line) => line.replace(/^\S+ +| +[\d.]+ s$/g, ''))).toEqual([
    'sally  inspected',
    'esme   inspected',
    '',
  ])
  progress.close()
})
