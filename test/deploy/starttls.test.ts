import { beforeAll, describe, expect, test } from 'vitest'
import { createConnect } from '../../deploy/ssh.ts'
import { handshake, verify } from '../../deploy/verify.ts'
import { makeChain, type Chain } from '../support/chain.ts'
import { startMailServer } from '../support/mail-server.ts'
import { makeNode, noSshd, startSshd } from '../support/sshd.ts'

const name = 'mail.example.org'
let chain: Chain
beforeAll(async () => {
  chain = await makeChain({ names: [name] })
})
const serves = () => ({ key: chain.key, cert: chain.leaf + chain.intermediate })

const said = (answers: Readonly<Record<string, string>>) => (line: string) => answers[line]
const smtp = {
  protocol: 'smtp',
  greeting: '220-mail.example.org\r\n220 ready\r\n',
  answer: said({
    'EHLO [127.0.0.1]': '250-mail.example.org\r\n250-SIZE 1\r\n250-starttls\r\n250 HELP\r\n',
    STARTTLS: '220 go\r\nTLS\n',
  }),
} as const
const imap = {
  protocol: 'imap',
  greeting: '* OK [CAPABILITY IMAP4rev1] ready\r\n',
  answer: said({ 'a STARTTLS': '* CAPABILITY IMAP4rev1\r\na OK go\r\nTLS\n' }),
} as const
const pop3 = {
  protocol: 'pop3',
  greeting: '+OK ready\r\n',
  answer: said({ STLS: '+OK go\r\nTLS\n' }),
} as const

describe('STARTTLS', () => {
  test.each([
    ['smtp', smtp, ['EHLO [127.0.0.1]', 'STARTTLS']],
    ['imap', imap, ['a STARTTLS']],
    ['pop3', pop3, ['STLS']],
  ])('over %s leads to the certificate', async (_, conversation, heard) => {
    await using server = await startMailServer({ ...conversation, serves: serves() })
    expect((await handshake(server.endpoint, name)).leaf?.fingerprint).toBe(chain.wanted.leafFingerprint)
    expect(server.heard).toEqual(heard)
    const wanted = { names: [name], ...chain.wanted }
    const node = { ...makeNode({ ssh: undefined as never }) }
    expect(await verify(node, wanted, { endpoints: [server.endpoint] })).toMatchObject({ ok: true })
  })
})

test.skipIf(noSshd)('STARTTLS goes through the SSH connection of a node as well', async () => {
  await using server = await startMailServer({ ...smtp, serves: serves() })
  await using sshd = await startSshd()
  await using shell = await createConnect()(sshd.node(), new AbortController().signal)
  const open = (address: string, port: number) => shell.forward(address, port)
  const endpoint = { ...server.endpoint, via: 'ssh' as const }
  const served = await Promise.all([1, 2, 3].map(() => handshake(endpoint, name, { open })))
  expect(served.map(({ leaf }) => leaf?.fingerprint)).toEqual(Array(3).fill(chain.wanted.leafFingerprint))
})

const offer = '250 STARTTLS\r\n'
const answering = (ehlo: string, starttls?: string) =>
  said({ 'EHLO [127.0.0.1]': ehlo, ...(starttls === undefined ? {} : { STARTTLS: starttls }) })

describe('a mail server is named with why it shows no certificate when it', () => {
  test.each([
    ['does not offer TLS', { ...smtp, answer: answering('250 HELP\r\n') }, 'it does not offer STARTTLS'],
    [
      'refuses it',
      { ...smtp, answer: answering(offer, '454 TLS not available\r\n') },
      'it said "454 TLS not available" before TLS',
    ],
    [
      'turns us away',
      { ...smtp, greeting: '554 \x1b[31mgo away\r\n' },
      expect.stringMatching(/^it said "554 [ -~]*go away" before TLS$/),
    ],
    [
      'says more in the clear than its answer',
      { ...smtp, answer: answering(offer, '220 go\r\n250 forged\r\nTLS\n') },
      'it said more in the clear than its answer to STARTTLS',
    ],
    ['never stops talking', { ...smtp, greeting: '220-x\r\n'.repeat(20_000) }, 'it said too much before TLS'],
    ['never ends its line', { ...smtp, greeting: '2'.repeat(100_000) }, 'it said too much before TLS'],
    ['speaks another protocol', { ...imap, greeting: '+OK ready\r\n' }, 'it said "+OK ready" before TLS'],
    [
      'refuses it over imap',
      { ...imap, answer: said({ 'a STARTTLS': 'a NO\r\n' }) },
      'it said "a NO" before TLS',
    ],
    ['refuses it over pop3', { ...pop3, answer: said({ STLS: '-ERR\r\n' }) }, 'it said "-ERR" before TLS'],
  ] as const)('%s', async (_, conversation, error) => {
    await using server = await startMailServer({ ...conversation, serves: serves() })
    expect((await handshake(server.endpoint, name, { timeoutMs: 2_000 })).error).toEqual(error)
  })

  test.each([
    ['says nothing', undefined],
    ['stops in the middle of its greeting', '220-mail'],
  ])('%s, at the deadline', async (_, greeting) => {
    const { greeting: __, ...silent } = smtp
    await using server = await startMailServer({
      ...silent,
      ...(greeting === undefined ? {} : { greeting }),
      serves: serves(),
    })
    const began = performance.now()
    expect((await handshake(server.endpoint, name, { timeoutMs: 200 })).error).toBe(
      'no answer to the wish for TLS',
    )
    expect(performance.now() - began).toBeLessThan(1_500)
  })

  test('is interrupted by a person', async () => {
    const { greeting: _, ...silent } = smtp
    await using server = await startMailServer({ ...silent, serves: serves() })
    const signal = AbortSignal.timeout(50)
    expect((await handshake(server.endpoint, name, { signal })).error).toBe('interrupted')
  })
})
