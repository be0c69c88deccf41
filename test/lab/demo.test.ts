import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { command } from './command.ts'
import { skipUnless } from './machine.ts'

const demo = fileURLToPath(new URL('demo.ts', import.meta.url))

describe.skipIf(await skipUnless('hosts'))('npm run demo', () => {
  test('tells the night and the way out of it, and cleans up', async () => {
    const { stdout, stderr, exitCode } = await command([process.execPath, demo])
    expect(exitCode, stdout + stderr).toBe(0)
    const story = [
      'as a user',
      /✗ esme .* certificate has expired/,
      '$ certs plan\n',
      'issue version 3',
      '$ certs rollout media.hachyderm.io\n',
      'version 3 is on 4 of 4 nodes',
      /✓ esme .* 200 image\/png/,
      'No changes. ',
      '$ certs history\n',
      'changed live/media.hachyderm.io on sally from version 2 to 3',
      'take hosts, network, name server, CA and files away',
      'The whole took ',
    ]
    let rest = stdout
    for (const line of story) {
      const at = typeof line === 'string' ? rest.indexOf(line) : rest.search(line)
      expect(at, `${String(line)} in ${rest}`).not.toBe(-1)
      rest = rest.slice(at)
    }
    expect(stderr).not.toContain('certs: error')
  }, 60_000)

  test('ends in good order after Ctrl-C in the middle of the rollout, and leaves nothing behind', async () => {
    const child = spawn(process.execPath, [demo], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    const ended = once(child, 'exit')
    let said = ''
    let interrupted = false
    const listen = (chunk: Buffer): void => {
      said += chunk.toString()
      if (interrupted || !said.includes('files staged')) return
      interrupted = true
      // As a terminal does: to the whole group.
      process.kill(-(child.pid ?? 0), 'SIGINT')
    }
    child.stdout.on('data', listen)
    child.stderr.on('data', listen)
    const [code] = (await ended) as [number | null]
    expect(said).toContain('Stopped by SIGINT.')
    expect(said).toContain('take hosts, network, name server, CA and files away')
    expect(code).toBe(130)
    const processes = (await command(['ps', '-eww', '-o', 'args='])).stdout
    expect(processes).not.toContain(`certs-lab-${child.pid}-`)
  }, 60_000)

  test('says in one line what it needs, where it can not run', async () => {
    // Nobody in its own eyes, and still allowed to read the sources wherever they are.
    const asNobody = ['unshare', '--user', '--map-user=65534']
    const { stdout, stderr, exitCode } = await command([...asNobody, process.execPath, demo])
    expect(stdout).toBe('')
    expect(stderr).toBe(
      'certs demo: it boots real hosts on this machine, so it needs root on a Debian system\n',
    )
    expect(exitCode).toBe(1)
  })
})
