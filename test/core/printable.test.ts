import { describe, expect, test } from 'vitest'
import { printable, printableLine } from '../../src/core/printable.ts'

describe('what another machine said, made printable', () => {
  test.each([
    ['colours and cursor movements', '\u001b[31mred\u001b[0m \u001b[2Aup', 'red up'],
    [
      'a title, a link and a clipboard write',
      '\u001b]0;title\u0007a\u001b]8;;http://x\u0007b\u001b]52;c;aGk=\u0007',
      'ab',
    ],
    ['an escape sequence that never ends', 'a\u001b]52;c;aGk', 'a;aGk'],
    ['C1 controls', 'a\u009b31mb\u0085', 'ab'],
    ['bells, backspaces, carriage returns and NUL', 'a\u0007\b\r\u0000b', 'ab'],
    ['text that runs the other way', 'a\u202eb\u2066c', 'abc'],
    ['tabs and trailing blanks', 'a\tb  \n', 'a b'],
    ['blank lines', '\n\na\n\nb\n', 'a\nb'],
    ['half a surrogate pair', 'a\ud800b', 'a\ufffdb'],
    ['ordinary text in any language', 'Ключ für 証明書 ✓', 'Ключ für 証明書 ✓'],
  ])('loses %s', (_, text, expected) => {
    expect(printable(text)).toBe(expected)
  })

  test('is cut, and says so', () => {
    expect(printable('x'.repeat(5000))).toBe(`${'x'.repeat(1999)}…`)
    expect(printable('abcdef', { max: 4 })).toBe('abc…')
  })

  test('takes no longer for a megabyte', () => {
    const started = performance.now()
    printable('\u001b['.repeat(500_000))
    expect(performance.now() - started).toBeLessThan(100)
  })

  test('fits on one line', () => {
    expect(printableLine('one\ntwo\n')).toBe('one; two')
  })
})
