import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { certbotHook, type CertbotHookSettings } from '../../providers/certbot-hook.ts'
import type { Provider, TxtRecord } from '../../providers/provider.ts'
import { describesProvider } from '../contracts/provider.ts'
import { namedMissing, startNamed, type Named } from '../lab/named.ts'

const missing = await namedMissing()
if (missing) console.warn(`certbot-hook on a name server: skipped: ${missing}`)

const zone = 'hachyderm.io'
const { signal } = new AbortController()
const record: TxtRecord = { zone, name: `_acme-challenge.media.${zone}`, value: 'a-value-of-ours' }

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'certs-certbot-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function hooksOf(
  { auth, cleanup }: { auth: string; cleanup: string },
  settings: Partial<CertbotHookSettings> = {},
): Promise<Provider> {
  const write = async (text: string): Promise<string> => {
    const path = join(folder, `${Math.random()}.sh`)
    await writeFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o700 })
    return path
  }
  const hooks = { authHook: [await write(auth)], cleanupHook: [await write(cleanup)] }
  const environment = { PATH: process.env['PATH'], TOKEN: 'very-secret', CERTBOT_AUTH_OUTPUT: 'not ours' }
  return certbotHook({ ...hooks, ...settings }, environment)
}

describe.skipIf(missing)('certbot-hook with hooks that call nsupdate', () => {
  let named: Named
  let provider: Provider

  beforeAll(async () => {
    named = await startNamed({ zones: { [zone]: {} } })
    const { algorithm, name, secret } = named.tsig
    const nsupdate = (change: string): string =>
      `printf '%s\\n' 'server ${named.address} 53' 'key ${algorithm}:${name} ${secret}' "update ${change}" send | nsupdate -v`
    provider = await hooksOf(
      {
        auth: nsupdate('add _acme-challenge.$CERTBOT_DOMAIN 60 TXT \\"$CERTBOT_VALIDATION\\"'),
        cleanup: nsupdate('delete _acme-challenge.$CERTBOT_DOMAIN TXT \\"$CERTBOT_VALIDATION\\"'),
      },
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

describe('certbot-hook', () => {
  test('tells the hooks what certbot tells them, and nothing else of the environment', async () => {
    const log = join(folder, 'log')
    const provider = await hooksOf({ auth: `env | sort > ${log}`, cleanup: 'true' })
    await provider.create(record, signal)
    const lines = (await readFile(log, 'utf8'))
      .split('\n')
      .filter((line) => !/^(PATH|PWD|SHLVL|_|OLDPWD)=/.test(line))
    expect(lines).toEqual([
      'CERTBOT_ALL_DOMAINS=media.hachyderm.io',
      'CERTBOT_DOMAIN=media.hachyderm.io',
      'CERTBOT_REMAINING_CHALLENGES=0',
      'CERTBOT_TOKEN=',
      'CERTBOT_VALIDATION=a-value-of-ours',
      '',
    ])
  })

  test('hands what the auth hook printed to the cleanup hook of the same value', async () => {
    const log = join(folder, 'outputs')
    const provider = await hooksOf({
      auth: 'echo progress >&2; echo "id of $CERTBOT_VALIDATION"',
      cleanup: `echo "$CERTBOT_VALIDATION: $CERTBOT_AUTH_OUTPUT" >> ${log}`,
    })
    const wildcard = { ...record, value: 'another' }
    await provider.create(record, signal)
    await provider.create(wildcard, signal)
    await provider.remove(record, signal)
    await provider.remove(wildcard, signal)
    // Nothing is known any more, as after a crash.
    await provider.remove(wildcard, signal)
    expect(await readFile(log, 'utf8')).toBe(
      'a-value-of-ours: id of a-value-of-ours\nanother: id of another\nanother: \n',
    )
  })

  test('says what the hook said and how to try it', async () => {
    const provider = await hooksOf(
      { auth: 'echo "refused, token $TOKEN"; exit 2', cleanup: '' },
      { env: ['TOKEN'] },
    )
    await expect(provider.create(record, signal)).rejects.toMatchObject({
      message: expect.stringMatching(/for media\.hachyderm\.io failed: exit code 2$/),
      detail: 'refused, token [secret]',
      hints: [
        expect.stringMatching(
          /^try it by hand: CERTBOT_DOMAIN=media\.hachyderm\.io CERTBOT_VALIDATION=test \//,
        ),
      ],
    })
  })

  test('does not call the hook for a name that it would get wrong', async () => {
    const provider = await hooksOf({ auth: `touch ${folder}/called`, cleanup: '' })
    const delegated = { ...record, name: `media.acme.${zone}` }
    await expect(provider.create(delegated, signal)).rejects.toThrow('it can only write _acme-challenge.NAME')
    await expect(readFile(join(folder, 'called'))).rejects.toThrow('ENOENT')
  })
})
