import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { folderOf } from './named-leftovers.ts'
import { namedMissing, startNamed } from './named.ts'

const missing = await namedMissing()
if (missing) console.warn(`the lab's name server: skipped: ${missing}`)

const addresses = (): string => execFileSync('ip', ['-br', 'addr', 'show', 'lo'], { encoding: 'utf8' })

describe.skipIf(missing)("the lab's name server", () => {
  test('serves its zones, follows its own CNAMEs, and leaves nothing behind', async () => {
    const named = await startNamed({ zones: { 'hachyderm.io': { records: 'a CNAME b\nb TXT "x" "y"' } } })
    expect(await named.txt('b.hachyderm.io')).toEqual(['xy'])
    expect(await named.txt('a.hachyderm.io')).toEqual(['xy'])
    expect(await named.txt('a.example.org')).toEqual([])
    await named[Symbol.asyncDispose]()
    expect(existsSync(folderOf(named.address))).toBe(false)
    expect(addresses()).not.toContain(`${named.address}/`)
    expect(existsSync(`/proc/${named.pid}`)).toBe(false)
  })

  test('refuses a zone that is broken', async () => {
    await expect(startNamed({ zones: { 'hachyderm.io': { records: 'a A nonsense' } } })).rejects.toThrow(
      'broken',
    )
  })

  test('is found and removed by the next one when its owner was killed', async () => {
    const owner = `
      const { startNamed } = await import('${new URL('named.ts', import.meta.url).href}')
      const named = await startNamed({ zones: {} })
      console.log(named.address)`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', owner], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(child.stdout.setEncoding('utf8'), 'data')
    const address = String(line).trim()
    expect(addresses()).toContain(`${address}/`)
    child.kill('SIGKILL')
    await once(child, 'close')
    await (await startNamed({ zones: {} }))[Symbol.asyncDispose]()
    expect(existsSync(folderOf(address))).toBe(false)
    expect(addresses()).not.toContain(`${address}/`)
  })
})
