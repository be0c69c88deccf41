import { expect, test } from 'vitest'
import { chooseInstant, readSuggestion } from '../../src/core/ari.ts'
import { certificateId } from '../../src/core/certificate-id.ts'
import { makeCertificate } from '../support/x509.ts'

const leaf = { notAfter: '2026-11-30T00:00:00.000Z' }
const [start, end] = ['2026-10-20T00:00:00Z', '2026-10-22T00:00:00Z']
const read = (suggestedWindow: unknown, explanationURL?: unknown) =>
  readSuggestion({ suggestedWindow, explanationURL }, leaf)

test('a window is read, whatever the offset of its instants', () => {
  const window = { start: '2026-10-20T02:00:00.123456789+02:00', end }
  expect(read(window)).toEqual({ start: '2026-10-20T00:00:00.123Z', end: '2026-10-22T00:00:00.000Z' })
})

test.each([
  ['nothing', undefined],
  ['a text', 'soon'],
  ['no end', { start }],
  ['an end before the start', { start: end, end: start }],
  ['an end at the start', { start, end: start }],
  ['a number for a date', { start: 1, end: 2 }],
  ['a date without a time', { start: '2026-10-20', end }],
  ['a month that is none', { start: '2026-13-20T00:00:00Z', end }],
  ['a start after the certificate is over', { start: '2026-12-01T00:00:00Z', end: '2026-12-02T00:00:00Z' }],
  ['a far future', { start: '9999-01-01T00:00:00Z', end: '9999-01-02T00:00:00Z' }],
])('no window is made of %s', (_what, window) => {
  expect(read(window)).toBeUndefined()
})

test('of a hostile explanation nothing reaches a terminal', () => {
  const why = (url: unknown) => read({ start, end }, url)?.explanationUrl
  expect(why('https://ca.example/why?id=1')).toBe('https://ca.example/why?id=1')
  expect(why('https://ca.example/\u001b[2J\u202e')).toBe('https://ca.example/%1B[2J%E2%80%AE')
  expect([why('javascript:alert(1)'), why(7), why(`https://ca.example/${'x'.repeat(600)}`)]).toEqual(
    Array(3).fill(undefined),
  )
})

test('the instant is the same for every run, in the window, and spread over it', () => {
  const window = { start: '2026-10-20T00:00:00.000Z', end: '2026-10-22T00:00:00.000Z' }
  const shares = Array.from({ length: 1000 }, (_, number) => {
    const instant = chooseInstant(window, { fingerprint: `${number}` })
    expect(chooseInstant(window, { fingerprint: `${number}` })).toEqual(instant)
    return (instant.getTime() - Date.parse(window.start)) / (2 * 86_400_000)
  })
  expect(Math.min(...shares)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...shares)).toBeLessThan(1)
  for (let tenth = 0; tenth < 10; tenth++) {
    expect(shares.filter((share) => Math.floor(share * 10) === tenth).length).toBeGreaterThan(50)
  }
})

/** The certificate of RFC 9773 appendix A. */
const ofTheRfc = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----`

test('a certificate is named as RFC 9773 does it, the leading 00 of its serial kept', () => {
  expect(certificateId(ofTheRfc)).toBe('aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE')
})

test('a certificate that does not say whose key signed it has no name', async () => {
  const extensions = ['authorityKeyIdentifier=none', 'subjectKeyIdentifier=none']
  expect(
    certificateId((await makeCertificate({ subject: '/CN=a.example', extensions })).cert),
  ).toBeUndefined()
})
