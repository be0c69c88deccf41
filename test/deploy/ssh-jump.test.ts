import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createConnect } from '../../deploy/ssh.ts'
import { scanNode, trustKeys } from '../../deploy/trust.ts'
import { handshake } from '../../deploy/verify.ts'
import type { NodeError } from '../../src/core/errors.ts'
import type { Node } from '../../src/core/node.ts'
import { makeChain } from '../support/chain.ts'
import { freePort } from '../support/dependent-process.ts'
import { noSshd, type Sshd, startSshd } from '../support/sshd.ts'
import { startTlsServer } from '../support/tls-server.ts'

const { signal } = new AbortController()

async function failure(node: Node): Promise<NodeError> {
  return createConnect()(node, signal).then(
    () => Promise.reject(new Error('the login was let in')),
    (error: unknown) => error as NodeError,
  )
}

describe.skipIf(noSshd)('jump hosts', () => {
  let bastion: Sshd
  let sally: Sshd
  beforeAll(async () => {
    ;[bastion, sally] = await Promise.all([startSshd(), startSshd()])
  })
  afterAll(async () => {
    await bastion[Symbol.asyncDispose]()
    await sally[Symbol.asyncDispose]()
  })
  const jump = (changes = {}) => [{ name: 'bastion', ...bastion.target(changes) }]

  test('lead to the node, each hop with its own key and login', async () => {
    await using shell = await createConnect()(sally.node({ jump: jump() }), signal)
    expect((await shell.run('echo "$SSH_CONNECTION"\n')).stdout).toMatch(
      new RegExp(` 127.0.0.1 ${sally.port}\n$`),
    )
    expect(bastion.log()).toMatch(/Accepted publickey for root/)
  })

  test('lead on over several hops', async () => {
    await using third = await startSshd()
    const hops = [...jump(), { name: 'sally', ...sally.target() }]
    await using shell = await createConnect()(third.node({ name: 'esme', jump: hops }), signal)
    expect((await shell.run('echo far\n')).stdout).toBe('far\n')
  })

  test('cannot put another machine in the place of the node', async () => {
    await using swapped = await startSshd()
    const before = swapped.log().length
    // What known_hosts has for the node's address is another key than the one that answers there.
    const knownHosts = join(swapped.folder, 'swapped')
    await writeFile(knownHosts, `[127.0.0.1]:${swapped.port} ${sally.hostKeys['ssh-ed25519']}\n`)
    const error = await failure(swapped.node({ jump: jump() }, { knownHosts }))
    expect(error.message).toMatch(
      new RegExp(`^sally: host key of \\[127.0.0.1\\]:${swapped.port} has changed`),
    )
    expect(swapped.log().slice(before)).not.toMatch(/publickey|userauth/)
  })

  test('are named when they are the ones that fail', async () => {
    const port = await freePort('127.0.0.1')
    expect((await failure(sally.node({ jump: jump({ port }) }))).message).toBe(
      `sally: connect to jump host bastion ([127.0.0.1]:${port}) failed: connection refused`,
    )
    expect((await failure(sally.node({ jump: jump({ knownHosts: '/nonexistent' }) }))).message).toMatch(
      /^sally: host key of jump host bastion .* is unknown/,
    )
    const stranger = join(sally.folder, 'host_ed25519')
    expect((await failure(sally.node({ jump: jump({ identity: stranger }) }))).message).toMatch(
      /^sally: login as root at jump host bastion .* was refused/,
    )
    const node = sally.node({ jump: jump() }, { port })
    expect((await failure(node)).message).toMatch(
      /^sally: connect to \[127.0.0.1\]:\d+ through jump host bastion .* failed: connection refused$/,
    )
  })

  test('that forbid forwarding are named', async () => {
    await using strict = await startSshd({ config: ['AllowTcpForwarding no'] })
    const hops = [{ name: 'strict', ...strict.target() }]
    const error = await failure(sally.node({ jump: hops }))
    expect(error.message).toMatch(/through jump host strict .* failed: its sshd forbids it$/)
  })

  test('are trusted hop by hop', async () => {
    const knownHosts = join(sally.folder, 'fresh')
    const node = sally.node({ jump: jump({ knownHosts }) }, { knownHosts })
    const places: string[] = []
    for (let round = 0; round < 2; round++) {
      const { place, target, keys } = await scanNode(node, signal)
      places.push(place)
      await trustKeys(target, keys)
    }
    expect(places).toEqual([`jump host bastion ([127.0.0.1]:${bastion.port})`, `[127.0.0.1]:${sally.port}`])
    await using shell = await createConnect()(node, signal)
    expect((await shell.run('echo in\n')).stdout).toBe('in\n')
  })
})

describe.skipIf(noSshd)('a stream from the node', () => {
  test('carries handshakes with endpoints that only the node reaches', async () => {
    const chain = await makeChain({ names: ['media.example.org'] })
    await using server = await startTlsServer({ key: chain.key, cert: chain.leaf + chain.intermediate })
    await using sshd = await startSshd()
    await using shell = await createConnect()(sshd.node(), signal)
    const open = (address: string, port: number) => shell.forward(address, port)
    const endpoint = { ...server.endpoint, via: 'ssh' as const }
    const served = await Promise.all([1, 2, 3].map(() => handshake(endpoint, 'media.example.org', { open })))
    expect(served.map(({ leaf }) => leaf?.fingerprint)).toEqual(Array(3).fill(chain.wanted.leafFingerprint))
    expect(served[0]?.chain).toEqual(chain.wanted.chainFingerprints)
    expect((await shell.run('echo still here\n')).stdout).toBe('still here\n')
  })

  test('that leads nowhere, or is forbidden, is an error of one line', async () => {
    await using sshd = await startSshd()
    await using shell = await createConnect()(sshd.node(), signal)
    const open = (address: string, port: number) => shell.forward(address, port)
    const port = await freePort('127.0.0.1')
    const endpoint = { address: '127.0.0.1', port, via: 'ssh' as const }
    expect((await handshake(endpoint, 'x.example', { open })).error).toMatch(
      /^sally: connect from there to .* failed: connection refused$/,
    )

    await using strict = await startSshd({ config: ['AllowTcpForwarding no'] })
    await using limited = await createConnect()(strict.node(), signal)
    await expect(limited.forward('127.0.0.1', port)).rejects.toMatchObject({
      step: 'connect',
      hints: [expect.stringMatching(/AllowTcpForwarding/)],
    })
  })

  test('without a connection to go through is an error', async () => {
    const endpoint = { address: '127.0.0.1', port: 443, via: 'ssh' as const }
    expect((await handshake(endpoint, 'x.example')).error).toBe('there is no SSH connection to go through')
  })
})
