import { beforeAll, describe, expect, test } from 'vitest'
import { filesOf, readLeaf } from '../../src/core/certificate.ts'
import { checkIssued, issuersOf, RefusedCertificate, type Wanted } from '../../src/core/issued.ts'
import { Secret } from '../../src/core/secret.ts'
import { type Made, makeCertificate, type Recipe } from '../support/x509.ts'

const names = ['media.hachyderm.io', '*.hachyderm.io']
const san = `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`
const notCa = 'basicConstraints=critical,CA:FALSE'
const isCa = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign']
const dayMs = 24 * 3_600_000

interface Pki {
  readonly root: Made
  readonly otherRoot: Made
  readonly intermediate: Made
  readonly brief: Made
  readonly impostor: Made
  readonly weak: Made
  readonly leaf: Made
  readonly wanted: Wanted
}

let pki: Pki

beforeAll(async () => {
  const [root, otherRoot] = await Promise.all([
    makeCertificate({ subject: '/CN=root', extensions: isCa, days: 3_000 }),
    makeCertificate({ subject: '/CN=other root', extensions: isCa, days: 3_000 }),
  ])
  const under = (by: Made, recipe: Partial<Recipe> = {}): Promise<Made> =>
    makeCertificate({ subject: '/CN=intermediate', extensions: isCa, by, days: 2_000, ...recipe })
  const [intermediate, brief, impostor, weak] = await Promise.all([
    under(root),
    under(root, { subject: '/CN=brief', days: 5 }),
    under(otherRoot),
    under(root, { subject: '/CN=weak', digest: 'sha1' }),
  ])
  const leaf = await makeLeaf({ by: intermediate })
  pki = { root, otherRoot, intermediate, brief, impostor, weak, leaf, wanted: wantedFor(leaf) }
})

function makeLeaf(recipe: Partial<Recipe> = {}): Promise<Made> {
  const extensions = [san, notCa, 'extendedKeyUsage=serverAuth']
  return makeCertificate({ subject: '/', days: 90, extensions, ...recipe })
}

function wantedFor({ key }: Made, change: Partial<Wanted> = {}): Wanted {
  return { key, names, keyType: 'ecdsa-p256', now: new Date(), ...change }
}

/** Another leaf for the same key, under the intermediate. */
function sibling(recipe: Partial<Recipe>): Promise<Made> {
  return makeLeaf({ by: pki.intermediate, key: pki.leaf.key, ...recipe })
}

describe('lets through', () => {
  test('leaf and intermediate, as they were ordered', () => {
    const { leaf, chain, facts } = checkIssued(pki.leaf.cert + pki.intermediate.cert, pki.wanted)
    expect({ leaf, chain }).toEqual({ leaf: pki.leaf.cert, chain: pki.intermediate.cert })
    expect(facts).toEqual(readLeaf(pki.leaf.cert))
  })

  test('Windows line ends and blank lines, which are normalized', () => {
    const pem = `\r\n${pki.leaf.cert}\n${pki.intermediate.cert}\n`.replaceAll('\n', '\r\n')
    const { leaf, chain } = checkIssued(pem, pki.wanted)
    expect({ leaf, chain }).toEqual({ leaf: pki.leaf.cert, chain: pki.intermediate.cert })
  })

  test('a root at the end, and does not pass it on', () => {
    const { chain } = checkIssued(pki.leaf.cert + pki.intermediate.cert + pki.root.cert, pki.wanted)
    expect(chain).toBe(pki.intermediate.cert)
  })

  test('a chain that leads to one of the given roots', () => {
    const roots = pki.otherRoot.cert + pki.root.cert
    const pem = pki.leaf.cert + pki.intermediate.cert
    expect(checkIssued(pem, { ...pki.wanted, roots }).chain).toBe(pki.intermediate.cert)
    expect(checkIssued(pem + pki.root.cert, { ...pki.wanted, roots }).chain).toBe(pki.intermediate.cert)
  })

  test('a leaf directly under a given root', async () => {
    const leaf = await makeLeaf({ by: pki.root })
    expect(checkIssued(leaf.cert, wantedFor(leaf, { roots: pki.root.cert })).chain).toBe('')
  })

  test('no extended key usage at all, and names in another order', async () => {
    const leaf = await sibling({
      extensions: ['subjectAltName=DNS:*.Hachyderm.io,DNS:media.hachyderm.io', notCa],
    })
    expect(checkIssued(leaf.cert + pki.intermediate.cert, pki.wanted).leaf).toBe(leaf.cert)
  })

  test.for(['ec:P-384', 'rsa:2048', 'rsa:3072'] as const)('a key of the ordered type: %s', async (newKey) => {
    const leaf = await makeLeaf({ by: pki.intermediate, newKey })
    const keyType = newKey === 'ec:P-384' ? 'ecdsa-p384' : newKey === 'rsa:2048' ? 'rsa-2048' : 'rsa-3072'
    const { leaf: pem, chain } = checkIssued(leaf.cert + pki.intermediate.cert, wantedFor(leaf, { keyType }))
    const version = { certificate: 'x', number: 1, key: new Secret(leaf.key), leaf: pem, chain }
    expect(filesOf(version).fullchain).toBe(leaf.cert + pki.intermediate.cert)
  })
})

describe('refuses', () => {
  type Case = readonly [
    what: string,
    cause: RegExp,
    make: () => string | Promise<string>,
    change?: () => Partial<Wanted>,
  ]
  const withChain = (leaf: Made): string => leaf.cert + pki.intermediate.cert
  const extensions = (...list: string[]): { extensions: string[] } => ({ extensions: list })
  const good = (): string => withChain(pki.leaf)
  const inDays = (days: number) => (): Partial<Wanted> => ({ now: new Date(Date.now() + days * dayMs) })

  const cases: readonly Case[] = [
    ['nothing', /no certificate/, () => ''],
    ['a web page', /something else than certificates/, () => '<html>it works</html>'],
    ['text after the chain', /something else/, () => `${good()}garbage`],
    ['text between the blocks', /something else/, () => `${pki.leaf.cert}# issuer\n${pki.intermediate.cert}`],
    ['a private key beside it', /something else/, () => good() + pki.leaf.key],
    ['a truncated block', /something else/, () => good().slice(0, -40)],
    ['a block that is no certificate', /does not parse/, () => good().replace(/(?<=\n)MII.{20}/, 'AAAA')],
    ['another key', /another key/, async () => withChain(await makeLeaf({ by: pki.intermediate }))],
    ['another type of key', /ecdsa-p256, ordered was rsa-2048/, good, () => ({ keyType: 'rsa-2048' })],
    [
      'a missing name',
      /does not cover \*\.hachyderm\.io/,
      async () => withChain(await sibling(extensions('subjectAltName=DNS:media.hachyderm.io', notCa))),
    ],
    [
      'an extra name',
      /covers evil\.example/,
      async () => withChain(await sibling(extensions(`${san},DNS:evil.example`, notCa))),
    ],
    [
      'names only in the subject',
      /does not cover/,
      async () => withChain(await sibling({ subject: '/CN=media.hachyderm.io', ...extensions(notCa) })),
    ],
    [
      'a CA certificate',
      /is a CA certificate/,
      async () => withChain(await sibling(extensions(san, ...isCa))),
    ],
    [
      'a client certificate',
      /not made for TLS servers/,
      async () => withChain(await sibling(extensions(san, notCa, 'extendedKeyUsage=clientAuth'))),
    ],
    ['an expired one', /expired at/, good, inDays(91)],
    ['one from the future', /valid only from/, good, inDays(-1)],
    ['one that lasts too long', /valid for 9624 hours/, async () => withChain(await sibling({ days: 401 }))],
    ['no intermediate', /without an intermediate/, () => pki.leaf.cert],
    [
      'only a root above it',
      /without an intermediate/,
      async () => (await sibling({ by: pki.root })).cert + pki.root.cert,
    ],
    [
      'a self-signed leaf',
      /without an intermediate/,
      async () => (await makeLeaf({ key: pki.leaf.key })).cert,
    ],
    ['another intermediate of the same name', /chain is broken/, () => pki.leaf.cert + pki.impostor.cert],
    [
      'a forged issuer that only the signature gives away',
      /chain is broken/,
      async () => {
        const unmarked = extensions(san, notCa, 'authorityKeyIdentifier=none')
        return (await sibling(unmarked)).cert + pki.impostor.cert
      },
    ],
    ['another intermediate', /chain is broken/, () => pki.leaf.cert + pki.brief.cert],
    ['a reversed chain', /another key/, () => pki.intermediate.cert + pki.leaf.cert],
    [
      'intermediate and root swapped',
      /chain is broken/,
      () => pki.leaf.cert + pki.root.cert + pki.intermediate.cert,
    ],
    [
      'the leaf twice',
      /chain and is no CA|chain is broken/,
      () => pki.leaf.cert + pki.leaf.cert + pki.intermediate.cert,
    ],
    ['a second leaf at the end', /chain is broken/, () => good() + pki.leaf.cert],
    ['a foreign root at the end', /chain is broken/, () => good() + pki.otherRoot.cert],
    [
      'an expired intermediate',
      /"brief" in its chain expired/,
      async () => (await sibling({ by: pki.brief })).cert + pki.brief.cert,
      inDays(6),
    ],
    [
      'a leaf as an issuer',
      /is no CA certificate/,
      async () => {
        const notIssuer = await makeLeaf({ by: pki.intermediate, subject: '/CN=media' })
        return (await sibling({ by: notIssuer })).cert + withChain(notIssuer)
      },
    ],
    [
      'a SHA-1 signature in the chain',
      /signed with .*sha1/i,
      async () => (await sibling({ by: pki.weak })).cert + pki.weak.cert,
    ],
    [
      'a SHA-1 signature on the leaf',
      /signed with .*sha1/i,
      async () => withChain(await sibling({ digest: 'sha1' })),
    ],
    [
      'a chain to another root than given',
      /no root of acme\.caBundle/,
      good,
      () => ({ roots: pki.otherRoot.cert }),
    ],
    ['eleven certificates', /chain has 11/, () => pki.leaf.cert + pki.intermediate.cert.repeat(10)],
    ['more than 100 kB', /larger than 100 kB/, () => good() + '\n'.repeat(100_000)],
  ]

  test.for(cases)('%s', async ([, cause, make, change]) => {
    const pem = await make()
    const check = (): unknown => checkIssued(pem, { ...pki.wanted, ...change?.() })
    expect(check).toThrow(RefusedCertificate)
    expect(check).toThrow(cause)
  })

  test('and says what is no fault of the certificate: the clock, the given roots, an answer that is garbled', () => {
    const refusal = (change: Partial<Wanted>, pem = good()): RefusedCertificate => {
      try {
        checkIssued(pem, { ...pki.wanted, ...change })
      } catch (error) {
        if (error instanceof RefusedCertificate) return error
      }
      throw new Error('it was let through')
    }
    expect(refusal({ now: new Date(Date.now() - dayMs) }).curable).toBe(true)
    expect(refusal({ roots: pki.otherRoot.cert }).curable).toBe(true)
    expect(refusal({ now: new Date(Date.now() + 91 * dayMs) }).curable).toBe(false)
    expect(refusal({ names: ['other.example'] }).curable).toBe(false)
    for (const answer of ['', '<html>', good().slice(0, -40), good().replace(/(?<=\n)MII.{20}/, 'AAAA')]) {
      expect(refusal({}, answer).curable).toBe(true)
    }
  })
})

test('issuers are named from the leaf upwards', () => {
  expect(issuersOf(pki.leaf.cert + pki.intermediate.cert)).toEqual(['intermediate', 'root'])
})
