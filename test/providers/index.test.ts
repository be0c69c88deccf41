import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { providers } from '../../providers/index.ts'
import type { Setting } from '../../providers/provider.ts'
import { tsigAlgorithms } from '../../providers/tsig.ts'

const readme = readFileSync(new URL('../../providers/README.md', import.meta.url), 'utf8')

function flat(settings: Readonly<Record<string, Setting>>): [string, Setting][] {
  return Object.entries(settings).flatMap(([name, setting]) => [
    [name, setting] as [string, Setting],
    ...(setting.type === 'group' ? flat(setting.settings) : []),
  ])
}

describe.each(Object.entries(providers))('the provider %s', (name, { about, settings, load }) => {
  test('can be loaded, has a file and a test, and stands in the README', async () => {
    expect(await load()).toBeTypeOf('function')
    expect(existsSync(new URL(`../../providers/${name}.ts`, import.meta.url))).toBe(true)
    expect(existsSync(new URL(`${name}.test.ts`, import.meta.url))).toBe(true)
    expect(readme).toContain(`\`${name}\``)
  })

  test('says what it is and what each setting is for', () => {
    expect(about).not.toBe('')
    for (const [setting, { about: purpose }] of flat(settings)) expect(purpose, setting).not.toBe('')
  })
})

test('rfc2136 offers the algorithms that can be signed with', () => {
  const tsig = providers['rfc2136']?.settings['tsig']
  expect(tsig).toMatchObject({ settings: { algorithm: { choices: tsigAlgorithms } } })
})
