import { generateHybridIdentity, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { expect, test } from 'vitest'
import { judgeRecipient } from '../../src/core/age-recipient.ts'

const known = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p'

test('takes recipients as age-keygen prints them, and post-quantum ones', async () => {
  expect(judgeRecipient(known)).toBeUndefined()
  for (let times = 0; times < 20; times++) {
    expect(judgeRecipient(await identityToRecipient(await generateX25519Identity()))).toBeUndefined()
  }
  expect(judgeRecipient(await identityToRecipient(await generateHybridIdentity()))).toBeUndefined()
})

test('sees every wrong, swapped, missing and added character', () => {
  const others = 'qpzry9x8gf2tvdw0s3jn54khce6mua7lbio1 Q'
  for (let at = 0; at < known.length; at++) {
    const [before, here, after] = [known.slice(0, at), known[at]!, known.slice(at + 1)]
    for (const other of others.replace(here, '')) {
      expect(judgeRecipient(before + other + after)).toBeDefined()
      expect(judgeRecipient(before + other + here + after)).toBeDefined()
    }
    expect(judgeRecipient(before + after)).toBeDefined()
    const next = after[0]
    if (next && next !== here) expect(judgeRecipient(before + next + here + after.slice(1))).toBeDefined()
  }
})

test.each([
  ['AGE-SECRET-KEY-1QQQQ', /^this is an identity, which is secret: take it out/],
  ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5', /^SSH keys are not supported as recipients/],
  ['age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t', /plugins \(here yubikey\)/],
  ['age1tag1qq', /plugins \(here tag\)/],
  ['ops@example.com', /^write an age recipient, as age1…/],
  ['', /^write an age recipient/],
])('says of %j what it is and what to do', (text, said) => {
  expect(judgeRecipient(text)).toMatch(said)
  expect(judgeRecipient(text)).not.toContain('QQQQ')
})
