import { randomInt } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RecordType } from '../../src/core/dns-message.ts'
import { ProviderError } from '../../src/core/errors.ts'
import { BogusDnssec } from '../../src/dns/dnssec.ts'
import { createResolver } from '../../src/dns/resolver.ts'
import { namedMissing, startNamed, type Named } from '../lab/named.ts'
import { signZone } from '../lab/signed-zone.ts'

const missing = await namedMissing()
if (missing) console.warn(`DNSSEC: skipped: ${missing}`)

const { signal } = new AbortController()
const zone = 'signed.example'

describe.skipIf(missing)('a validating resolver', () => {
  let authoritative: Named
  let validating: Named
  beforeAll(async () => {
    const address = `127.77.${randomInt(1, 255)}.${randomInt(1, 255)}`
    const records = `good A 192.0.2.1
      broken A 192.0.2.7
      _acme-challenge.good TXT "x"`
    const signed = await signZone(zone, { records }, address)
    // The record is another than the one that was signed.
    const text = signed.text.replace('192.0.2.7', '192.0.2.8')
    expect(text).not.toBe(signed.text)
    authoritative = await startNamed({ address, zonesOnly: true, zones: { [zone]: { text } } })
    validating = await startNamed({
      zones: {
        '.': {
          records: `${zone}. NS ns1.${zone}.
            ns1.${zone}. A ${address}
            dead.example. NS ns1.dead.example.
            ns1.dead.example. A 127.77.0.1`,
        },
      },
      trustAnchors: signed.trustAnchor,
    })
  })
  afterAll(async () => {
    await validating?.[Symbol.asyncDispose]()
    await authoritative?.[Symbol.asyncDispose]()
  })

  const lookUp = (name: string, type: RecordType, at = validating): Promise<unknown> =>
    createResolver([`${at.address}:${at.port}`])
      .lookUp(name, type, signal)
      .catch((error: unknown) => error)

  test('that is content is not asked again', async () => {
    expect(await lookUp(`good.${zone}`, 'A')).toEqual(['192.0.2.1'])
    expect(await lookUp(`nowhere.${zone}`, 'A')).toEqual([])
  })

  test('that refuses a broken signature: the error says so, and how to look', async () => {
    const error = await lookUp(`broken.${zone}`, 'A')
    expect(error).toBeInstanceOf(BogusDnssec)
    expect(error).toMatchObject({
      message: `look-up of A broken.${zone} failed: its DNSSEC is bogus: ${validating.address} answers only without validation`,
      hints: [
        `a CA refuses it just so; see which signature is broken: delv @${validating.address} -p 53 broken.${zone} A`,
        'sign the zone again, or take its DS records out of the parent zone',
      ],
    })
  })

  test('that fails for another reason is not said to be about DNSSEC', async () => {
    const error = await lookUp('x.dead.example', 'A')
    expect(error).toBeInstanceOf(ProviderError)
    expect(error).not.toBeInstanceOf(BogusDnssec)
    expect(error).toMatchObject({ message: expect.stringContaining('answered SERVFAIL') })
  })
})
