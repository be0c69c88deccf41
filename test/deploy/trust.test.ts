import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createConnect } from '../../deploy/ssh.ts'
import { scanNode, trustKeys } from '../../deploy/trust.ts'
import { noSshd, type Sshd, startSshd } from '../support/sshd.ts'

const { signal } = new AbortController()

describe.skipIf(noSshd)('trusting a node', () => {
  let sshd: Sshd
  let folder: string
  beforeAll(async () => {
    sshd = await startSshd({ hostKeys: ['ed25519', 'ecdsa', 'rsa'] })
    folder = await mkdtemp(join(tmpdir(), 'certs-trust-'))
  })
  afterAll(async () => {
    await sshd[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  test('shows every kind of host key without a login, and lets one in once it is trusted', async () => {
    const knownHosts = join(folder, 'new', 'known_hosts')
    const node = sshd.node({}, { knownHosts })
    const { keys, target, place } = await scanNode(node, signal)
    expect(place).toBe(`[127.0.0.1]:${sshd.port}`)
    expect(keys.map(({ type, known }) => [type, known])).toEqual([
      ['ssh-ed25519', false],
      ['ecdsa-sha2-nistp256', false],
      ['ssh-rsa', false],
    ])
    expect(sshd.log()).not.toMatch(/userauth|Accepted|Failed/)
    await trustKeys(target, keys)
    expect((await stat(knownHosts)).mode & 0o777).toBe(0o600)
    const shell = await createConnect()(node, signal)
    await shell[Symbol.asyncDispose]()
    expect((await scanNode(node, signal)).keys.every(({ known }) => known)).toBe(true)
  })

  test('appends to a file without a last newline, and keeps its mode and lines', async () => {
    const knownHosts = join(folder, 'old')
    await writeFile(knownHosts, '# mine')
    await chmod(knownHosts, 0o644)
    const { keys, target } = await scanNode(sshd.node({}, { knownHosts }), signal)
    await trustKeys(target, keys.slice(0, 1))
    expect(await readFile(knownHosts, 'utf8')).toBe(
      `# mine\n[127.0.0.1]:${sshd.port} ${sshd.hostKeys['ssh-ed25519']}\n`,
    )
    expect((await stat(knownHosts)).mode & 0o777).toBe(0o644)
  })

  test('refuses to show a changed key as one that may be trusted', async () => {
    const knownHosts = join(folder, 'changed')
    await using other = await startSshd()
    await writeFile(knownHosts, `[127.0.0.1]:${sshd.port} ${other.hostKeys['ssh-ed25519']}\n`)
    await expect(scanNode(sshd.node({}, { knownHosts }), signal)).rejects.toThrow(/has changed/)
  })
})
