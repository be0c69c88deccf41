import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Controller, controllerMissing, startController } from './controller.ts'

const missing = await controllerMissing()
if (missing) console.warn(`a mass replacement: skipped: ${missing}`)

const killer = fileURLToPath(new URL('../support/kill-at.ts', import.meta.url))
const names = ['a', 'b', 'c', 'd'].map((label) => `${label}.hachyderm.io`)

describe.skipIf(missing)('a mass replacement', () => {
  let controller: Controller
  beforeAll(async () => {
    controller = await startController({
      zones: { 'hachyderm.io': {} },
      certificates: Object.fromEntries(names.map((name) => [name, {}])),
    })
    expect(await controller.certs('apply --yes')).toMatchObject({ exitCode: 0 })
  })
  afterAll(async () => controller?.[Symbol.asyncDispose]())

  const orders = (): number => controller.pebble.log().match(/Added order/g)?.length ?? 0
  const asked = () => readdir(join(controller.state, 'documents', 'replacements')).catch(() => [])
  const versions = async (): Promise<number[]> => {
    const stored = names.map((name) => readdir(join(controller.state, 'archive', name)))
    return (await Promise.all(stored)).map((files) => files.filter((file) => file.startsWith('cert')).length)
  }

  test('without a terminal it wants --yes, and changes nothing', async () => {
    expect(await controller.certs('replace --all')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('certs replace --all --yes'),
    })
    expect(await asked()).toEqual([])
    expect(await versions()).toEqual([1, 1, 1, 1])
  })

  test('replaces one that is named, and only that one', async () => {
    const { exitCode, stdout } = await controller.certs(`replace ${names[0]} --yes`)
    expect(exitCode).toBe(0)
    expect(stdout).toContain('1 certificate to replace by new versions with new keys')
    expect(await versions()).toEqual([2, 1, 1, 1])
    expect(await asked()).toEqual([])
    expect((await controller.certs(`history ${names[0]}`)).stdout).toContain(
      `asked for a replacement of version 1 of ${names[0]}`,
    )
  })

  test('killed in the middle, the next run goes on: each is replaced once, none is ordered twice', async () => {
    const [before, ordered] = [await versions(), orders()]
    const killed = await controller.certs('replace --all --yes', {
      env: { NODE_OPTIONS: `--import=${killer}`, CERTS_TEST_KILL_AT: 'version-stored' },
    })
    expect(killed.exitCode).toBe(128)
    const left = (await asked()).length
    expect(left).toBeGreaterThan(0)
    const again = await controller.certs('replace --all --yes')
    expect(again).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('Going on with what was asked for at'),
    })
    expect(await versions()).toEqual(before.map((count) => count + 1))
    expect(orders() - ordered).toBe(names.length)
    expect(await asked()).toEqual([])
  })

  test('what could not be replaced stays asked for', async () => {
    const before = await versions()
    controller.proxy.fault('newOrder', {
      do: 'answer',
      status: 403,
      headers: { 'content-type': 'application/problem+json' },
      body: JSON.stringify({ type: 'urn:ietf:params:acme:error:unauthorized', detail: 'not today' }),
    })
    const { exitCode } = await controller.certs('replace --all --yes')
    expect(exitCode).toBe(1)
    expect(await versions()).toEqual(before)
    expect(await asked()).toHaveLength(names.length)

    controller.proxy.reset()
    const again = await controller.certs('replace --all --yes')
    expect(again, again.stderr).toMatchObject({ exitCode: 0 })
    expect(await versions()).toEqual(before.map((count) => count + 1))
    expect(await asked()).toEqual([])
  })
})
