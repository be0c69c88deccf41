import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Provider, TxtRecord } from '../../providers/provider.ts'

/** One provider and a way to see, past it, what the zone really holds. */
export interface ProviderFixture {
  readonly provider: Provider
  /** A zone that the provider can write. */
  readonly zone: string
  /** A zone that it can't; undefined for a provider that takes any. */
  readonly foreignZone: string | undefined
  /** TXT values at a name, sorted. */
  readonly values: (name: string) => Promise<string[]>
  /** Adds a TXT value as somebody else would. */
  readonly addForeign: (name: string, value: string) => Promise<void>
  /** A name that can be written, new each time; `_acme-challenge` somewhere in the zone unless given. */
  readonly newName?: () => string
  /** Why values can't be removed, for a service that has no way to. */
  readonly neverRemoves?: string
}

/** What every provider must do. Each test has a name of its own in the zone. */
export function describesProvider(fixture: () => ProviderFixture): void {
  const signal = new AbortController().signal
  const newRecord = (value = randomBytes(32).toString('base64url')): TxtRecord => {
    const { zone, newName } = fixture()
    const name = newName?.() ?? `_acme-challenge.n${randomBytes(6).toString('hex')}.${zone}`
    return { zone, name, value }
  }

  test('holds its own zone', async () => {
    const { provider, zone } = fixture()
    expect(await provider.holdsZone(zone, signal)).toBe(true)
  })

  test('does not hold a foreign zone, the parent or a name below its own', async (context) => {
    const { provider, zone, foreignZone } = fixture()
    if (foreignZone === undefined) return context.skip('this provider takes any zone')
    const parent = zone.split('.').slice(1).join('.')
    for (const other of [foreignZone, parent, `media.${zone}`]) {
      expect(await provider.holdsZone(other, signal), other).toBe(false)
    }
  })

  test('creates a value and removes it without a trace', async (context) => {
    const { provider, values, neverRemoves } = fixture()
    if (neverRemoves) return context.skip(neverRemoves)
    const record = newRecord()
    await provider.create(record, signal)
    expect(await values(record.name)).toEqual([record.value])
    await provider.remove(record, signal)
    expect(await values(record.name)).toEqual([])
  })

  test('keeps two values at one name beside each other, as an apex and its wildcard need', async () => {
    const { provider, values, neverRemoves } = fixture()
    const apex = newRecord()
    const wildcard = { ...apex, value: newRecord().value }
    await Promise.all([provider.create(apex, signal), provider.create(wildcard, signal)])
    expect(await values(apex.name)).toEqual([apex.value, wildcard.value].toSorted())
    if (neverRemoves) return
    await provider.remove(apex, signal)
    expect(await values(apex.name)).toEqual([wildcard.value])
    await provider.remove(wildcard, signal)
    expect(await values(apex.name)).toEqual([])
  })

  test('creating twice leaves one record, removing twice is success', async () => {
    const { provider, values, neverRemoves } = fixture()
    const record = newRecord()
    await provider.create(record, signal)
    await provider.create(record, signal)
    expect(await values(record.name)).toEqual([record.value])
    await provider.remove(record, signal)
    await provider.remove(record, signal)
    if (neverRemoves) return
    expect(await values(record.name)).toEqual([])
  })

  test('leaves a foreign value at the same name alone, also one that differs only in case', async (context) => {
    const { provider, values, addForeign, neverRemoves } = fixture()
    if (neverRemoves) return context.skip(neverRemoves)
    const record = newRecord('MixedCaseValue-of-ours_0123456789abcdefXYZ')
    const foreign = ['google-site-verification=abc', record.value.toLowerCase()]
    for (const value of foreign) await addForeign(record.name, value)
    await provider.remove(record, signal)
    expect(await values(record.name)).toEqual(foreign.toSorted())
    await provider.create(record, signal)
    await provider.remove(record, signal)
    expect(await values(record.name)).toEqual(foreign.toSorted())
  })

  test('does nothing once the signal has aborted', async () => {
    const { provider, values } = fixture()
    const record = newRecord()
    const reason = new Error('stopped by Ctrl-C')
    await expect(provider.create(record, AbortSignal.abort(reason))).rejects.toBe(reason)
    expect(await values(record.name)).toEqual([])
  })
}
