import { expect, test } from 'vitest'
import type { Provider, TxtRecord } from '../../providers/provider.ts'
import { ConfigError, ProviderError } from '../../src/core/errors.ts'
import type { ApiFault, ApiRequest, JsonApi } from '../support/json-api.ts'

/** A provider that asks an HTTP API, with the API on loopback at hand. */
export interface HttpProviderFixture {
  readonly api: JsonApi
  /** Opens it anew; with the credential and at the API's address unless given. */
  readonly open: (given?: { url?: string; wrong?: string }) => Provider
  /** A record that nobody has written yet. */
  readonly record: TxtRecord
  readonly values: (name: string) => Promise<string[]>
  /** Whether a request is the one that writes. */
  readonly writes: (request: ApiRequest) => boolean
  /** The end of the message when the credential is refused, and a part of its hint. */
  readonly refusal: { readonly message: RegExp; readonly hint: string }
  /** False for a service that does not remove. */
  readonly removes?: false
  /** False when nothing can be looked up: what is sent twice is taken twice. */
  readonly looks?: false
}

const faults: readonly (readonly [string, ApiFault])[] = [
  ['a 500 that came before the work', { status: 500 }],
  ['a 500 that came after it', { status: 500, after: true }],
  ['a connection that was cut before the work', { cut: true }],
  ['a connection that was cut after it', { cut: true, after: true }],
  ['an HTML page', { status: 502, body: '<html>Bad gateway</html>' }],
]

const { signal } = new AbortController()

/** Gives the fault to the first request that writes. */
function failFirstWrite({ api, writes }: HttpProviderFixture, fault: ApiFault): void {
  let failed = false
  api.fault = (request) => {
    if (failed || !writes(request)) return undefined
    failed = true
    return fault
  }
}

/** What every provider must do with an API that fails, limits, lies, or refuses. */
export function describesHttpProvider(fixture: () => HttpProviderFixture): void {
  test.each(faults)('leaves one record after %s', async (_, fault) => {
    const given = fixture()
    const { record, values } = given
    failFirstWrite(given, fault)
    await given.open().create(record, signal)
    expect(await values(record.name)).toEqual([record.value])
  })

  test.each(faults)('leaves none after %s of the removal', async (_, fault) => {
    const given = fixture()
    const { record, values, removes } = given
    if (removes === false) return
    const provider = given.open()
    await provider.create(record, signal)
    failFirstWrite(given, fault)
    await provider.remove(record, signal)
    expect(await values(record.name)).toEqual([])
  })

  test('keeps all of five values that are added to one name at once', async () => {
    const { open, record, values, removes } = fixture()
    if (removes === false) return
    const provider = open()
    const records = Array.from({ length: 5 }, (_, n) => ({ ...record, value: `value-${n}` }))
    await Promise.all(records.map((each) => provider.create(each, signal)))
    expect(await values(record.name)).toEqual(records.map(({ value }) => value))
    await Promise.all(records.map((each) => provider.remove(each, signal)))
    expect(await values(record.name)).toEqual([])
  })

  test('names the credential that is refused and the way out, and never shows it', async () => {
    const { api, open, record, refusal } = fixture()
    const wrong = 'wrong-credential-of-somebody-0123456789ab'
    const error = await open({ wrong })
      .create(record, signal)
      .catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(ProviderError)
    expect(error).toMatchObject({
      message: expect.stringMatching(refusal.message),
      hints: [expect.stringContaining(refusal.hint)],
    })
    expect(`${JSON.stringify(error)}${String(error)}`).not.toContain(wrong)
    expect(api.requests).toHaveLength(1)
  })

  test('does not follow a redirect with the credential', async () => {
    const { api, open, record } = fixture()
    api.fault = () => ({ status: 302, headers: { location: `${api.url}/elsewhere` } })
    await expect(open().create(record, signal)).rejects.toThrow(ProviderError)
    expect(api.requests.filter((line) => line.includes('elsewhere'))).toEqual([])
  })

  test.each(['null', '[]', '{}', '"text"'])('does not take %s for an answer', async (body) => {
    const { api, open, record, looks } = fixture()
    if (looks === false) return
    api.fault = () => ({ status: 200, body })
    const verdict = await open()
      .holdsZone(record.zone, signal)
      .catch((error: unknown) => error)
    expect([false, expect.any(ProviderError)]).toContainEqual(verdict)
  })

  test.each(['http://api.example.com', 'ftp://127.0.0.1/', 'nonsense', 'https://user@127.0.0.1/'])(
    'refuses to send the credential to %s',
    (url) => {
      const { open } = fixture()
      expect(() => open({ url })).toThrow(ConfigError)
    },
  )
}

/** What whatever sends the requests must do: once for each such client. */
export function describesHttpClient(fixture: () => HttpProviderFixture): void {
  test('waits as long as Retry-After says', async () => {
    const given = fixture()
    failFirstWrite(given, { status: 429, headers: { 'retry-after': '2' } })
    const begun = performance.now()
    await given.open().create(given.record, signal)
    expect(performance.now() - begun).toBeGreaterThan(1990)
  })

  test('fails at once when Retry-After is longer than a run can wait', async () => {
    const { api, open, record } = fixture()
    api.fault = () => ({ status: 429, body: { message: 'slow down' }, headers: { 'retry-after': '3600' } })
    const begun = performance.now()
    await expect(open().create(record, signal)).rejects.toMatchObject({
      message: expect.stringContaining('failed: 429 slow down'),
      hints: [expect.stringContaining('limits this account: wait 60 min and run again')],
    })
    expect(performance.now() - begun).toBeLessThan(1000)
  })

  test('does not show the credential when the API repeats it', async () => {
    const { api, open, record } = fixture()
    api.fault = ({ headers }) => ({
      status: 400,
      body: { message: `bad: ${headers.authorization}, of course` },
    })
    const wrong = 'credential-that-is-repeated-0123456789abc'
    const error = await open({ wrong })
      .create(record, signal)
      .catch((failure: unknown) => failure)
    expect(String(error)).toContain('400 bad: [secret], of course')
    expect(JSON.stringify(error)).not.toContain(wrong)
  })

  test('says that nothing answers, with the reason of the network', async () => {
    const { open, record } = fixture()
    const provider = open({ url: 'http://127.0.0.1:9' })
    await expect(provider.create(record, signal)).rejects.toThrow(
      /failed: no answer: .*(ECONNREFUSED|bad port)/,
    )
  })

  test('stops waiting for an answer when the signal aborts, with its reason', async () => {
    const { api, open, record } = fixture()
    api.fault = () => ({ hang: true })
    const controller = new AbortController()
    const reason = new Error('stopped by Ctrl-C')
    setTimeout(() => controller.abort(reason), 100)
    const begun = performance.now()
    await expect(open().create(record, controller.signal)).rejects.toBe(reason)
    expect(performance.now() - begun).toBeLessThan(1500)
  })

  test('takes a page in the place of an answer for none, and says what it reads', async () => {
    const { api, open, record } = fixture()
    api.fault = () => ({ status: 200, body: '<html>Sign in to the network</html>' })
    await expect(open().holdsZone(record.zone, signal)).rejects.toThrow(/no answer: .*(html|XML)/i)
  })

  test('takes in no more than 4 MB', async () => {
    const { api, open, record } = fixture()
    api.fault = () => ({ status: 200, body: ' '.repeat(5 << 20) })
    await expect(open().holdsZone(record.zone, signal)).rejects.toThrow('longer than 4 MB')
  })
}
