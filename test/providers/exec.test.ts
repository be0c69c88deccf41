import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exec, type ExecSettings } from '../../providers/exec.ts'
import type { Provider, TxtRecord } from '../../providers/provider.ts'
import { describesProvider } from '../contracts/provider.ts'
import { namedMissing, startNamed, type Named } from '../lab/named.ts'

const missing = await namedMissing()
if (missing) console.warn(`exec on a name server: skipped: ${missing}`)

const zone = 'hachyderm.io'
const signal = new AbortController().signal
const record: TxtRecord = { zone, name: `_acme-challenge.media.${zone}`, value: 'a-value-of-ours' }

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'certs-exec-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function scriptOf(text: string, settings: Partial<ExecSettings> = {}): Promise<Provider> {
  const path = join(folder, `${Math.random()}.sh`)
  await writeFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o700 })
  return exec(
    { command: [path], ...settings },
    { PATH: process.env['PATH'], TOKEN: 'very-secret-token', OTHER: 'no' },
  )
}

describe.skipIf(missing)('exec with a script that calls nsupdate', () => {
  let named: Named
  let provider: Provider

  beforeAll(async () => {
    named = await startNamed({ zones: { [zone]: {} } })
    const { algorithm, name, secret } = named.tsig
    provider = await scriptOf(
      `case "$1" in present) change="add $2 60 TXT \\"$3\\"" ;; cleanup) change="delete $2 TXT \\"$3\\"" ;; esac
printf '%s\\n' 'server ${named.address} 53' 'key ${algorithm}:${name} ${secret}' "update $change" send | nsupdate -v`,
      { zones: [zone] },
    )
  })
  afterAll(() => named?.[Symbol.asyncDispose]())

  describesProvider(() => ({
    provider,
    zone,
    foreignZone: 'example.org',
    values: (name) => named.txt(name),
    addForeign: (name, value) => named.update(`update add ${name} 60 TXT "${value}"`),
  }))
})

describe('exec', () => {
  test("calls as lego's exec provider does, after the configured arguments, with nothing on stdin", async () => {
    const log = join(folder, 'log')
    const provider = exec({
      command: ['/bin/sh', '-c', `printf '%s|' "$@" >> ${log}; cat >> ${log}`, 'hook'],
    })
    await provider.create(record, signal)
    await provider.remove(record, signal)
    const { name, value } = record
    expect(await readFile(log, 'utf8')).toBe(`present|${name}.|${value}|cleanup|${name}.|${value}|`)
  })

  test('takes any zone unless told which', async () => {
    expect(await exec({ command: ['/bin/true'] }).holdsZone('example.org', signal)).toBe(true)
    expect(await exec({ command: ['/bin/true'], zones: [zone] }).holdsZone('example.org', signal)).toBe(false)
  })

  test('hands on the named variables only', async () => {
    const log = join(folder, 'env')
    const provider = await scriptOf(`env > ${log}`, { env: ['TOKEN'] })
    await provider.create(record, signal)
    const names = (await readFile(log, 'utf8')).split('\n').map((line) => line.split('=')[0])
    expect(names).toEqual(expect.arrayContaining(['PATH', 'TOKEN']))
    expect(names).not.toContain('OTHER')
  })

  test('tells what the script said at the end, without control characters or secrets', async () => {
    const provider = await scriptOf(
      `seq 1 100000; printf '\\033[31mno such zone\\033[0m, token %s\\n' "$TOKEN" >&2; exit 3`,
      { env: ['TOKEN'] },
    )
    const error = await provider.create(record, signal).catch((failure: unknown) => failure)
    expect(error).toMatchObject({
      message: expect.stringMatching(/present _acme-challenge\.media\.hachyderm\.io\. failed: exit code 3$/),
      detail: expect.stringMatching(/\n99999\n100000\nno such zone, token \[secret\]$/),
    })
    expect(JSON.stringify(error)).not.toContain('very-secret-token')
  })

  test('says that the program is not there', async () => {
    const provider = exec({ command: ['/nowhere/hook'] })
    await expect(provider.create(record, signal)).rejects.toThrow(/failed: spawn \/nowhere\/hook ENOENT$/)
  })

  test('ends a hanging script and all that it has started', async () => {
    const log = join(folder, 'pids')
    const provider = await scriptOf(`sleep 98 & echo $! > ${log}; trap '' TERM; sleep 97`, {
      timeoutSeconds: 0.3,
    })
    await expect(provider.create(record, signal)).rejects.toThrow('not done after 0.3 s')
    const pid = Number(await readFile(log, 'utf8'))
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  test('ends the script when the signal aborts, and throws the reason', async () => {
    const provider = await scriptOf('sleep 96')
    const begun = performance.now()
    const reason = new Error('stopped by Ctrl-C')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 100)
    await expect(provider.create(record, controller.signal)).rejects.toBe(reason)
    expect(performance.now() - begun).toBeLessThan(1500)
  })

  test('does not wait for what a script leaves in the background', async () => {
    const provider = await scriptOf('setsid sleep 2 & exit 0')
    const begun = performance.now()
    await provider.create(record, signal)
    expect(performance.now() - begun).toBeLessThan(1500)
  })

  test('runs one call at a time, so that a script may read, change and write a whole zone', async () => {
    const file = join(folder, 'zone')
    await writeFile(file, '')
    const provider = await scriptOf(`old=$(cat ${file}); sleep 0.1; printf '%s%s\\n' "$old" "$3;" > ${file}`)
    await Promise.all(['a', 'b', 'c'].map((value) => provider.create({ ...record, value }, signal)))
    expect(await readFile(file, 'utf8')).toBe('a;b;c;\n')
  })
})
