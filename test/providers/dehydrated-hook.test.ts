import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dehydratedHook, type DehydratedHookSettings } from '../../providers/dehydrated-hook.ts'
import type { Provider, TxtRecord } from '../../providers/provider.ts'
import { describesProvider } from '../contracts/provider.ts'
import { namedMissing, startNamed, type Named } from '../lab/named.ts'

const missing = await namedMissing()
if (missing) console.warn(`dehydrated-hook on a name server: skipped: ${missing}`)

const zone = 'hachyderm.io'
const { signal } = new AbortController()
const record: TxtRecord = { zone, name: `_acme-challenge.media.${zone}`, value: 'a-value-of-ours' }

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'certs-dehydrated-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function hookOf(text: string, settings: Partial<DehydratedHookSettings> = {}): Promise<Provider> {
  const path = join(folder, `${Math.random()}.sh`)
  await writeFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o700 })
  return dehydratedHook({ hook: [path], ...settings }, { PATH: process.env['PATH'], TOKEN: 'very-secret' })
}

describe.skipIf(missing)('dehydrated-hook with a hook that calls nsupdate', () => {
  let named: Named
  let provider: Provider

  beforeAll(async () => {
    named = await startNamed({ zones: { [zone]: {} } })
    const { algorithm, name, secret } = named.tsig
    provider = await hookOf(
      `case "$1" in
deploy_challenge) change="add _acme-challenge.$2 60 TXT \\"$4\\"" ;;
clean_challenge) change="delete _acme-challenge.$2 TXT \\"$4\\"" ;;
*) exit 0 ;;
esac
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

describe('dehydrated-hook', () => {
  test('calls as dehydrated does, after the configured arguments', async () => {
    const log = join(folder, 'log')
    const provider = dehydratedHook({ hook: ['/bin/sh', '-c', `printf '%s|' "$@" >> ${log}`, 'hook'] })
    await provider.create(record, signal)
    await provider.remove(record, signal)
    const line = (verb: string) => `${verb}|media.hachyderm.io|unused|a-value-of-ours|`
    expect(await readFile(log, 'utf8')).toBe(line('deploy_challenge') + line('clean_challenge'))
  })

  test('says what the hook said, without what it was told in confidence', async () => {
    const provider = await hookOf('echo "no such zone, token $TOKEN" >&2; exit 1', { env: ['TOKEN'] })
    await expect(provider.create(record, signal)).rejects.toMatchObject({
      message: expect.stringMatching(/deploy_challenge media\.hachyderm\.io failed: exit code 1$/),
      detail: 'no such zone, token [secret]',
      hints: [
        expect.stringMatching(/^try it by hand: .* deploy_challenge media\.hachyderm\.io unused test$/),
      ],
    })
  })

  test('does not call the hook for a name that it would get wrong', async () => {
    const provider = await hookOf(`touch ${folder}/called`)
    const delegated = { ...record, name: `media.acme.${zone}` }
    await expect(provider.create(delegated, signal)).rejects.toMatchObject({
      message: `calling the hook for TXT media.acme.${zone} failed: it can only write _acme-challenge.NAME`,
      hints: [expect.stringContaining('let the CNAME lead to')],
    })
    await expect(readFile(join(folder, 'called'))).rejects.toThrow('ENOENT')
  })
})
