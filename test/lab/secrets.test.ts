import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { site, startIncident, type Incident } from './incident.ts'
import { skipUnless } from './machine.ts'

const node = 'sally'

describe.skipIf(await skipUnless('hosts'))('key material', () => {
  let incident: Incident
  beforeAll(async () => {
    incident = await startIncident({ cdn: [node], pebble: { PEBBLE_AUTHZREUSE: '0' } })
  })
  afterAll(async () => incident?.[Symbol.asyncDispose]())

  test('never stands in an argument, an environment, an output, the journal or a log, on controller or node', async () => {
    const watch = watchProcesses()
    const outputs: string[] = []
    for (const line of [
      `rollout ${site}`,
      `rollout ${site} --force-renew --json`,
      'status --json',
      'history --json',
      'plan --json',
    ]) {
      const { stdout, stderr } = await incident.certs(line)
      outputs.push(stdout, stderr)
    }
    const seen = await watch.end()
    expect(seen.join('\0')).toContain('rollout')

    const keys = await keysOf(incident.state)
    expect(keys.length).toBe(2)
    const places: Record<string, string> = {
      arguments: seen.join('\0'),
      output: outputs.join('\n'),
      journal: await readFile(join(incident.state, 'journal.ndjson'), 'utf8'),
      'log of the node': await incident.lab.host(node).exec('journalctl --no-pager -o json'),
    }
    for (const [place, text] of Object.entries(places)) {
      for (const key of keys)
        for (const piece of piecesOf(key)) expect(text.includes(piece), place).toBe(false)
    }
    // The search can find what is there: the nodes do hold these keys.
    const held = await incident.lab.host(node).exec(`cat /etc/letsencrypt/archive/${site}/privkey*.pem`)
    expect(keys.every((key) => piecesOf(key).every((piece) => held.includes(piece)))).toBe(true)
  })

  test('can not be read by another user at any instant, on controller or node', async () => {
    const host = incident.lab.host(node)
    const archive = `/etc/letsencrypt/archive/${site}`
    // Folders that anybody may enter: only the files' own modes protect them.
    await host.exec(`chmod 755 /etc/letsencrypt/archive ${archive}`)
    const reader = `setpriv --reuid 65534 --regid 65534 --clear-groups sh -c`
    const onNode = `i=0; while [ ! -e /tmp/stop ]; do i=$((i+1)); cat ${archive}/*privkey* ${archive}/.* /etc/letsencrypt/live/.*/privkey.pem 2>/dev/null; done | grep -c PRIVATE`
    const nodeReader = host.tryExec(`${reader} '${onNode}'`)
    const loop = `while :; do find "$1" -type f -exec cat {} + 2>/dev/null; done | grep --line-buffered -m1 PRIVATE`
    const asNobody = [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      'sh',
      '-c',
      loop,
      'sh',
      incident.state,
    ]
    const controllerReader = spawn('setpriv', asNobody, { detached: true })
    let read = ''
    controllerReader.stdout.on('data', (data: Buffer) => (read += data.toString()))
    await chmod(incident.lab.folder, 0o755)

    for (let round = 0; round < 3; round++) {
      expect(await incident.certs(`rollout ${site} --force-renew`)).toMatchObject({ exitCode: 0 })
    }
    await host.exec('touch /tmp/stop')
    expect((await nodeReader).stdout.trim()).toBe('0')
    process.kill(-controllerReader.pid!)
    await once(controllerReader, 'close')
    expect(read).toBe('')
  })

  test('is its owner’s alone on disk, everything in the state folder with it', async () => {
    for (const path of await readdir(incident.state, { recursive: true })) {
      const { mode } = await stat(join(incident.state, path))
      expect({ path, others: mode & 0o077 }).toEqual({ path, others: 0 })
    }
    const host = incident.lab.host(node)
    expect(await host.exec(`find /etc/letsencrypt/archive -name 'privkey*' -perm /077`)).toBe('')
  })
})

/** Command lines and environments of every process of this machine, those of the lab's hosts included. */
function watchProcesses(): { end(): Promise<string[]> } {
  const seen = new Set<string>()
  const ending = new AbortController()
  const watching = (async () => {
    while (!ending.signal.aborted) {
      const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
      const files = pids.flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`])
      const texts = await Promise.all(files.map((file) => readFile(file, 'latin1').catch(() => '')))
      for (const text of texts) seen.add(text)
      await sleep(1)
    }
  })()
  return {
    async end() {
      ending.abort()
      await watching
      return [...seen]
    },
  }
}

async function keysOf(state: string): Promise<string[]> {
  const archive = join(state, 'archive', site)
  const names = (await readdir(archive)).filter((name) => name.startsWith('privkey'))
  return Promise.all(names.map((name) => readFile(join(archive, name), 'utf8')))
}

/** The second and third line of a PEM key's body: no other key has them. */
function piecesOf(key: string): string[] {
  return key
    .split('\n')
    .slice(2, 4)
    .filter((line) => /^[A-Za-z0-9+/=]{16,}$/.test(line))
}
