import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { namedMissing } from '../lab/named.ts'
import { suggest } from '../support/pebble-suggestion.ts'
import { startRenewing } from '../support/renewing.ts'

const missing = await namedMissing()
if (missing) process.stderr.write(`skipped: ${missing}\n`)

test.skipIf(missing)(
  'a CA that asks for early renewal is told of in the plan and followed by renew',
  async () => {
    const name = 'one.fleet.example'
    await using place = await startRenewing({ certificates: { [name]: {} } })
    await place.certs('renew --now')
    const leaf = await readFile(join(place.state, 'live', name, 'cert.pem'), 'utf8')
    await suggest(place.pebble, leaf, {
      suggestedWindow: { start: '2026-01-01T00:00:00Z', end: '2026-01-02T00:00:00Z' },
      explanationURL: 'https://ca.example/incident',
    })

    const before = await readdir(place.state, { recursive: true })
    const because =
      'because the CA suggests its renewal from 2026-01-01 00:00 UTC to 2026-01-02 00:00 UTC, see https://ca.example/incident'
    expect((await place.certs('plan')).stdout).toContain(`+ issue version 2, ${because}`)
    expect(await readdir(place.state, { recursive: true })).toEqual(before)

    expect(await place.certs('renew --now')).toMatchObject({ exitCode: 0, stderr: '' })
    expect((await place.certs('history')).stdout).toContain('see https://ca.example/incident')
    expect(await place.certs('renew --now')).toEqual({ exitCode: 0, stdout: '', stderr: '' })

    // What the CA said of the new version is remembered: no run asks again before it is time.
    const asked = place.proxy.count('renewalInfo')
    await place.certs('renew --now')
    await place.certs('plan')
    expect(place.proxy.count('renewalInfo')).toBe(asked)
    expect(place.deeds()).toEqual({ accounts: 1, orders: 2, certificates: 2 })
  },
)
