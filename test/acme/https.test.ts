import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { readDirectory } from '../../src/acme/directory.ts'
import { AcmeError } from '../../src/core/errors.ts'
import { createDatedCa } from '../lab/dated-ca.ts'
import { createTestCa, type TestCa } from '../support/test-ca.ts'
import { startTlsServer } from '../support/tls-server.ts'
import { type Made, makeCertificate } from '../support/x509.ts'

let ca: TestCa
beforeAll(async () => {
  ca = await createTestCa()
})

interface Spoilt extends Made {
  /** PEM of the roots to trust, and the name to ask for; else those of the case. */
  readonly bundle?: string
  readonly host?: string
}

async function expired(): Promise<Spoilt> {
  const folder = join(await mkdtemp(join(tmpdir(), 'certs-https-')), 'ca')
  await using dated = await createDatedCa(folder)
  const [notBefore, notAfter] = [new Date('2026-01-01'), new Date('2026-04-01')]
  const { key, leaf, chain } = await dated.issue({ names: ['localhost'], notBefore, notAfter })
  await rm(dirname(folder), { recursive: true })
  return { key, cert: leaf + chain, bundle: dated.root, host: 'localhost' }
}

/** What is said of a CA that has this certificate, and how many of its requests came to be read. */
async function ask(
  { cert, key, ...spoilt }: Spoilt,
  bundle = spoilt.bundle,
): Promise<{ error: unknown; requests: number }> {
  let requests = 0
  await using server = await startTlsServer({
    cert,
    key,
    answer: (_incoming, outgoing) => {
      requests++
      outgoing.end('{}')
    },
  })
  const { address, port } = server.endpoint
  const host = spoilt.host ?? address
  const settings = { directory: `https://${host}:${port}/dir`, caBundle: bundle }
  const error: unknown = await readDirectory(settings, AbortSignal.timeout(5_000)).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return { error, requests }
}

describe('the HTTPS of a CA is not trusted, nothing is asked of it, and the cause is named:', () => {
  const address = ['subjectAltName=IP:127.0.0.1']
  const cases: readonly (readonly [
    what: string,
    make: () => Promise<Spoilt>,
    bundle: () => string | undefined,
    cause: RegExp,
    hint: RegExp,
  ])[] = [
    ['it has expired', () => expired(), () => undefined, /certificate has expired/, /acme\.caBundle/],
    [
      'it is for another host',
      () => ca.issue(['ca.example']),
      () => ca.root,
      /127\.0\.0\.1.*cert's list/,
      /acme\.caBundle/,
    ],
    [
      'it is self-signed',
      () => makeCertificate({ subject: '/CN=self', extensions: address }),
      () => undefined,
      /self-signed certificate/,
      /for a private CA, set acme\.caBundle/,
    ],
    [
      'another CA of the same name issued it',
      async () => (await createTestCa()).issue(['127.0.0.1']),
      () => ca.root,
      /unable to verify|signature|self-signed certificate in/,
      /does not lead to a root in acme\.caBundle/,
    ],
  ]
  test.for(cases)('%s', async ([, make, bundle, cause, hint]) => {
    const { error, requests } = await ask(await make(), bundle())
    expect(error).toBeInstanceOf(AcmeError)
    const { message, hints } = error as AcmeError
    expect(message).toMatch(
      /^reading the directory at (localhost|127\.0\.0\.1):\d+ failed: its HTTPS can't be trusted: /,
    )
    expect(message).toMatch(cause)
    expect(hints[0]).toMatch(hint)
    expect(requests).toBe(0)
  })

  test('and one that is right is asked', async () => {
    const { error, requests } = await ask(await ca.issue(['127.0.0.1']), ca.root)
    expect((error as AcmeError).message).toContain("the CA's answer has no usable newNonce")
    expect(requests).toBe(1)
  })
})
