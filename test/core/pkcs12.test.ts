import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { splitPem } from '../../src/core/certificate.ts'
import { encodePkcs12 } from '../../src/core/pkcs12.ts'
import { Secret } from '../../src/core/secret.ts'
import { makeChain } from '../support/chain.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'certs-pkcs12-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const name = 'media.hachyderm.io'

/** Runs openssl on the file; standard output. */
async function openssl(file: string, password: string, ...options: readonly string[]): Promise<string> {
  const env = { PATH: process.env['PATH'], PASSWORD: password, LC_ALL: 'C.UTF-8' }
  const args = ['pkcs12', '-in', file, '-passin', 'env:PASSWORD', ...options]
  const { stdout, stderr } = await promisify(execFile)('openssl', args, { env })
  return stdout + stderr
}

test.each(['ec', 'rsa'] as const)('openssl reads the %s key, the leaf and the chain', async (key) => {
  const chain = await makeChain({ names: [name], key })
  const version = {
    certificate: name,
    number: 3,
    key: new Secret(chain.key),
    leaf: chain.leaf,
    chain: chain.intermediate + chain.root,
  }
  const password = new Secret('correct horse ünd battery')
  const file = join(folder, `${key}.p12`)
  await writeFile(file, encodePkcs12(version, { password, friendlyName: name, random: randomBytes }))

  const sealed = await openssl(file, password.reveal(), '-info', '-noout')
  expect(sealed).toContain('MAC: sha256, Iteration 100000')
  expect(sealed.match(/PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256/g)).toHaveLength(2)

  const leaf = await openssl(file, password.reveal(), '-clcerts', '-nokeys')
  expect(splitPem(leaf)).toEqual(splitPem(chain.leaf))
  expect(leaf).toContain(`friendlyName: ${name}`)
  const above = await openssl(file, password.reveal(), '-cacerts', '-nokeys')
  expect(splitPem(above).toSorted()).toEqual(splitPem(version.chain).toSorted())

  const plain = await openssl(file, password.reveal(), '-nocerts', '-nodes')
  const pem = /-----BEGIN PRIVATE KEY-----[\s\S]+-----END PRIVATE KEY-----/.exec(plain)?.[0]
  expect(pem).toBe(chain.key.trim())

  await expect(openssl(file, 'another password', '-noout')).rejects.toThrow(/invalid password/)
})
