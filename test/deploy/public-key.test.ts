import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { publicKeyOf, readPublicKey } from '../../deploy/ssh/public-key.ts'
import { makeKey, makeNode } from '../support/sshd.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'certs-public-key-'))
})
afterEach(() => rm(folder, { recursive: true }))

const at = (name: string) => join(folder, name)
const nodeWith = (identity: string) =>
  makeNode({ ssh: { address: '127.0.0.1', port: 22, user: 'root', identity, knownHosts: '/dev/null' } })

test.each(['ed25519', 'ecdsa', 'rsa'] as const)(
  'the public half of an %s key is what ssh-keygen wrote, without its comment',
  async (kind) => {
    await makeKey(at('key'), kind)
    const [type, key] = (await readFile(at('key.pub'), 'utf8')).split(' ')
    const derived = await publicKeyOf(nodeWith(at('key')))
    expect(derived?.line).toBe(`${type} ${key}`)
    expect(await readPublicKey(at('key.pub'))).toEqual(derived)
  },
)

test('an agent has no one key', async () => {
  expect(await publicKeyOf(nodeWith('agent'))).toBeUndefined()
})

test('what is no public key is refused, and a private key is not shown', async () => {
  await makeKey(at('key'), 'ed25519')
  const line = (await readFile(at('key.pub'), 'utf8')).trim()
  const cases: [text: string, because: string][] = [
    ['', 'there is no public key in it'],
    [`${line}\n${line}\n`, 'there is no public key in it'],
    [`command="id" ${line}`, 'there is no public key in it'],
    [line.replace('ssh-ed25519', 'ssh-rsa'), 'there is no public key in it'],
    [line.replace('ssh-ed25519', 'constructor'), 'there is no public key in it'],
    [await readFile(at('key'), 'utf8'), 'it is a private key'],
  ]
  for (const [text, because] of cases) {
    await writeFile(at('given'), text)
    await expect(readPublicKey(at('given'))).rejects.toThrow(
      `read public key ${at('given')} failed: ${because}`,
    )
  }
  await expect(readPublicKey(at('gone.pub'))).rejects.toMatchObject({
    hints: [`make a key pair: ssh-keygen -t ed25519 -f ${at('gone')} -N ''`],
  })
})
