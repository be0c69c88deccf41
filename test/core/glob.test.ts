import { expect, test } from 'vitest'
import { globMatches } from '../../src/core/glob.ts'

test.each([
  ['/etc/nginx/conf.d/*.conf', '/etc/nginx/conf.d/a.conf', true],
  ['/etc/nginx/conf.d/*.conf', '/etc/nginx/conf.d/a.conf.off', false],
  ['/etc/nginx/conf.d/*.conf', '/etc/nginx/conf.d/.a.conf', false],
  ['/etc/nginx/conf.d/.*.conf', '/etc/nginx/conf.d/.a.conf', true],
  ['/etc/nginx/*', '/etc/nginx/sites/a', false],
  ['/etc/nginx/*/*', '/etc/nginx/sites/a', true],
  ['/etc/nginx/*', '/etc/nginx/', true],
  ['/etc/a?c', '/etc/abc', true],
  ['/etc/a?c', '/etc/a/c', false],
  ['/etc/?a', '/etc/.a', false],
  ['/etc/[a-c]x', '/etc/bx', true],
  ['/etc/[!a-c]x', '/etc/bx', false],
  ['/etc/[]]x', '/etc/]x', true],
  ['/etc/[x', '/etc/[x', true],
  ['/etc/\\*', '/etc/*', true],
  ['/etc/\\*', '/etc/a', false],
  ['/etc/a.b', '/etc/axb', false],
  ['/etc/*a*b', '/etc/xxaxxaxxb', true],
])('%s on %s: %s', (glob, path, matches) => {
  expect(globMatches(glob, path)).toBe(matches)
})

test('a pattern that is made to be slow is not', () => {
  const began = performance.now()
  expect(globMatches(`/${'*a'.repeat(500)}b`, `/${'a'.repeat(4000)}`)).toBe(false)
  expect(performance.now() - began).toBeLessThan(1000)
})
