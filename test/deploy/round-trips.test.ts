import { describe, expect, test } from 'vitest'
import { createConnect } from '../../deploy/ssh.ts'
import { rewriteKnownHosts } from '../support/known-hosts-file.ts'
import { startSlowLink } from '../support/slow-link.ts'
import { noSshd, startSshd } from '../support/sshd.ts'

const { signal } = new AbortController()
// Long, so that what a busy machine adds stays below one.
const rttMs = 400

describe.skipIf(noSshd)('round trips', () => {
  test('a login takes three after TCP, its first run two, and a prepared run one', async () => {
    await import('ssh2')
    await using sshd = await startSshd()
    await using link = await startSlowLink(sshd.port, { rttMs })
    const knownHosts = await rewriteKnownHosts(sshd, link.port)

    const times = [performance.now()]
    await using shell = await createConnect()(sshd.node({}, { port: link.port, knownHosts }), signal)
    times.push(performance.now())
    shell.prepare('f() { echo far; }\n')
    await shell.run('echo first\n')
    times.push(performance.now())
    expect((await shell.run('f() { echo far; }\nf\n')).stdout).toBe('far\n')
    times.push(performance.now())

    const trips = times.slice(1).map((time, index) => Math.floor((time - times[index]!) / rttMs))
    expect(trips).toEqual([3, 2, 1])
  })
})
