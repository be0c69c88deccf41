import { access, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { execFile } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acmeSh, type AcmeShSettings } from '../../providers/acme.sh.ts'
import type { Provider, TxtRecord } from '../../providers/provider.ts'
import { ConfigError } from '../../src/core/errors.ts'
import { describesProvider } from '../contracts/provider.ts'
import { namedMissing, startNamed, type Named } from '../lab/named.ts'
import { installAcmeSh } from '../support/acme.sh-installation.ts'
import { startJsonApi, type ApiRequest } from '../support/json-api.ts'

const missing = await namedMissing()
if (missing) console.warn(`acme.sh on a name server: skipped: ${missing}`)

const zone = 'hachyderm.io'
const { signal } = new AbortController()
const record: TxtRecord = { zone, name: `_acme-challenge.media.${zone}`, value: 'a-value_of-ours' }

let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'certs-test-acme.sh-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))

/** Installs a script `dns_lab` with these functions, and opens it. */
async function scriptOf(
  script: string,
  { env = {}, ...settings }: Partial<Omit<AcmeShSettings, 'env'>> & { env?: Record<string, string> } = {},
): Promise<Provider> {
  const name = `dns_lab${Math.random().toString(36).slice(2)}`
  await installAcmeSh(home, { [name]: script.replaceAll('dns_lab', name) })
  const environment = { PATH: process.env['PATH'], LAB_SAVED: `${home}/saved`, ...env }
  return acmeSh({ home, script: name, env: ['LAB_SAVED', ...Object.keys(env)], ...settings }, environment)
}

describe.skipIf(missing)('acme.sh with a dnsapi script that calls nsupdate', () => {
  let named: Named
  let provider: Provider

  beforeAll(async () => {
    named = await startNamed({ zones: { [zone]: {} } })
    provider = await scriptOf(
      `dns_lab_add() { _change "add $1. 60 TXT \\"$2\\""; }
dns_lab_rm() { _change "delete $1. TXT \\"$2\\""; }
_change() {
  NSUPDATE_KEY="\${NSUPDATE_KEY:-$(_readaccountconf_mutable NSUPDATE_KEY)}"
  _saveaccountconf_mutable NSUPDATE_KEY "$NSUPDATE_KEY"
  printf '%s\\n' 'server ${named.address} 53' "key $NSUPDATE_KEY" "update $1" send | nsupdate -v
}`,
      {
        zones: [zone],
        env: { NSUPDATE_KEY: `${named.tsig.algorithm}:${named.tsig.name} ${named.tsig.secret}` },
      },
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

describe('acme.sh', () => {
  test('calls through a bridge that shellcheck has nothing to say about', async () => {
    const file = new URL('../../providers/acme.sh-bridge.sh', import.meta.url).pathname
    const { stdout } = await promisify(execFile)('shellcheck', [file])
    expect(stdout).toBe('')
  })

  test('saves nothing that the script wants saved, and reads nothing that acme.sh has saved', async () => {
    const provider = await scriptOf(
      `dns_lab_add() {
  _saveaccountconf LAB_TOKEN "$LAB_TOKEN"; _saveaccountconf_mutable LAB_TOKEN "$LAB_TOKEN"; _savedomainconf x "$LAB_TOKEN"
  LAB_OTHER="\${LAB_OTHER:-$(_readaccountconf_mutable LAB_OTHER)}"
  [ -z "$LAB_OTHER" ] && [ "$LAB_TOKEN" = very-secret ]
}`,
      { env: { LAB_TOKEN: 'very-secret' } },
    )
    await provider.create(record, signal)
    expect((await readdir(home)).toSorted()).toEqual(['acme.sh', 'dnsapi'])
  })

  test('leaves no folder behind, also when the script fails', async () => {
    const seen = join(home, 'seen')
    const provider = await scriptOf(
      `dns_lab_add() { echo "$TMPDIR" > ${seen}; mktemp >/dev/null; return 1; }`,
    )
    await expect(provider.create(record, signal)).rejects.toThrow('exit code 1')
    const folder = (await readFile(seen, 'utf8')).trim()
    expect(folder).toContain('certs-acme.sh-')
    await expect(access(folder)).rejects.toThrow('ENOENT')
    await rm(seen)
  })

  test('sends what the script sends: method, headers, type and body, whatever is in them', async () => {
    const requests: ApiRequest[] = []
    await using api = await startJsonApi((request) => {
      requests.push(request)
      return { status: 200, body: { said: 'hello' }, headers: { 'x-lab': 'seen' } }
    })
    const body = String.raw`{"value":"\"quoted\" \\ and 'more' $HOME %41 ü"}`
    const provider = await scriptOf(
      `dns_lab_add() {
  export _H1="Authorization: Bearer $LAB_TOKEN" _H2='X-Quoted: "a\\b"'
  response="$(_post "$LAB_BODY" "${api.url}/records?a=[1]&b={2}" "" PUT application/json)" || return 1
  [ "$response" = '{"said":"hello"}' ] || return 2
  grep -qi '^x-lab: seen' "$HTTP_HEADER" || return 3
  [ "$(_post "a=1" "${api.url}/form" needbase64)" = "$(printf '{"said":"hello"}' | _base64)" ] || return 4
  [ "$(_get "${api.url}/zone")" = '{"said":"hello"}' ] || return 5
  _contains "$(_get "${api.url}/zone" onlyheader)" "200" || return 6
  _post "" "${api.url}/gone" "" DELETE >/dev/null || return 7
}`,
      { env: { LAB_TOKEN: 'very-secret', LAB_BODY: body } },
    )
    await provider.create(record, signal)
    expect(requests.map(({ method, url }) => `${method} ${url.pathname}${url.search}`)).toEqual([
      'PUT /records?a=[1]&b={2}',
      'POST /form',
      'GET /zone',
      'HEAD /zone',
      'DELETE /gone',
    ])
    expect(requests[0]?.text).toBe(body)
    expect(requests[0]?.headers).toMatchObject({
      authorization: 'Bearer very-secret',
      'x-quoted': String.raw`"a\b"`,
      'content-type': 'application/json',
      'user-agent': 'acme.sh/lab',
    })
    expect(requests[1]?.headers['content-type']).toBe('application/x-www-form-urlencoded')
  })

  test('shows no header on a command line', async () => {
    let lines = ''
    await using api = await startJsonApi(async () => {
      lines = (await promisify(execFile)('ps', ['-eo', 'args', '--width', '4000'])).stdout
      return { status: 200, body: {} }
    })
    const provider = await scriptOf(
      `dns_lab_add() { export _H1="X-Key: $LAB_TOKEN"; _post "{\\"key\\":\\"$LAB_TOKEN\\"}" "${api.url}/?key=$LAB_TOKEN"; }`,
      { env: { LAB_TOKEN: 'a-key-nobody-may-see' } },
    )
    await provider.create(record, signal)
    expect(lines).toContain('curl --silent')
    expect(lines).not.toContain('a-key-nobody-may-see')
  })

  test('says what the script said, without its credentials', async () => {
    const provider = await scriptOf(`dns_lab_add() { _err "invalid token $LAB_TOKEN"; return 1; }`, {
      env: { LAB_TOKEN: 'very-secret' },
    })
    await expect(provider.create(record, signal)).rejects.toMatchObject({
      message: expect.stringMatching(
        /^dns_lab\w+_add _acme-challenge\.media\.hachyderm\.io failed: exit code 1$/,
      ),
      detail: 'invalid token [secret]',
      hints: [expect.stringContaining('try it by hand: ')],
    })
  })

  test.each([
    ['a relative home', { home: '.acme.sh', script: 'dns_lab' }],
    ['a script with its ending', { home: '/root/.acme.sh', script: 'dns_lab.sh' }],
    ['a script elsewhere', { home: '/root/.acme.sh', script: '../../tmp/dns_lab' }],
  ])('does not take %s', (_, settings) => {
    expect(() => acmeSh(settings)).toThrow(ConfigError)
  })

  test('says at the first look that the script is not there', async () => {
    await installAcmeSh(home, {})
    const provider = acmeSh({ home, script: 'dns_nowhere' })
    await expect(provider.holdsZone(zone, signal)).rejects.toThrow(
      /dnsapi\/dns_nowhere\.sh of acme\.sh failed: ENOENT/,
    )
  })
})
