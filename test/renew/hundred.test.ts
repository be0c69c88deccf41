import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openFiles } from '../../src/state/files.ts'
import { namedMissing } from '../lab/named.ts'
import { suggest } from '../support/pebble-suggestion.ts'
import { type Renewing, startRenewing } from '../support/renewing.ts'

const missing = await namedMissing()
if (missing) process.stderr.write(`skipped: ${missing}\n`)

const names = Array.from({ length: 100 }, (_, index) => `site-${index}.fleet.example`)

describe.skipIf(missing)('a hundred certificates due at once, at a CA that refuses one nonce in five', () => {
  let place: Renewing
  beforeAll(async () => {
    const certificates = Object.fromEntries(names.map((name) => [name, {}]))
    const pebble = { PEBBLE_WFE_NONCEREJECT: '20', PEBBLE_AUTHZREUSE: '50' }
    place = await startRenewing({ certificates, pebble })
  })
  afterAll(async () => place?.[Symbol.asyncDispose]())

  test('none ordered twice, none lost, nothing left in DNS', { timeout: 60_000 }, async () => {
    expect(await place.certs('renew --now')).toMatchObject({ exitCode: 0, stderr: '' })
    expect(place.deeds()).toEqual({ accounts: 1, orders: 100, certificates: 100 })

    await using store = await openFiles(place.state)
    const versions = await Promise.all(names.map((name) => store.listVersions(name)))
    expect(versions).toEqual(names.map(() => [1]))
    for (const left of ['orders', 'txt', 'attempts']) expect(await store.list(left)).toEqual([])
    const zone = await place.named.dump('fleet.example')
    expect(zone.filter((line) => line.includes(' TXT '))).toEqual([])
  })

  test(
    'a mass revocation: renewal of all is suggested for yesterday, and each is replaced once',
    { timeout: 60_000 },
    async () => {
      const suggestedWindow = { start: '2026-01-01T00:00:00Z', end: '2026-01-02T00:00:00Z' }
      for (const name of names) {
        const leaf = await readFile(join(place.state, 'live', name, 'cert.pem'), 'utf8')
        await suggest(place.pebble, leaf, { suggestedWindow, explanationURL: 'https://ca.example/incident' })
      }
      expect(await place.certs('renew --now')).toMatchObject({ exitCode: 0, stderr: '' })
      expect(place.deeds()).toEqual({ accounts: 0, orders: 100, certificates: 100 })
      await using store = await openFiles(place.state)
      const versions = await Promise.all(names.map((name) => store.listVersions(name)))
      expect(versions).toEqual(names.map(() => [1, 2]))

      expect(await place.certs('renew --now')).toEqual({ exitCode: 0, stdout: '', stderr: '' })
      expect(place.deeds()).toEqual({ accounts: 0, orders: 0, certificates: 0 })
    },
  )
})
