import { chmod, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openFiles } from '../../src/state/files.ts'
import { type AgeIdentity, makeIdentity, vaultOf } from '../support/age-identity.ts'
import { type Renewing, type RunOptions, startRenewing } from '../support/renewing.ts'

const all = process.env['CERTS_FAULTS'] === 'all'
const points = [
  'account-created',
  'key-stored',
  'order-created',
  'txt-created',
  'challenge-answered',
  'finalize-sent',
  'version-stored',
  'txt-removed',
]
const killedAt = all ? points : ['key-stored', 'finalize-sent', 'version-stored']
const certificates = Object.fromEntries(
  ['first', 'moved', ...points].map((name) => [`${name}.fleet.example`, {}]),
)

let place: Renewing
let ours: AgeIdentity
let theirs: AgeIdentity
const said: string[] = []

beforeAll(async () => {
  ;[ours, theirs] = await Promise.all([makeIdentity(), makeIdentity()])
  place = await startRenewing({ certificates, pebble: { PEBBLE_AUTHZREUSE: '0' } })
})
afterAll(() => place[Symbol.asyncDispose]())

const sealTo = (...recipients: readonly AgeIdentity[]) =>
  place.configure({
    state: {
      folder: place.state,
      encryptTo: recipients.map(({ recipient }) => recipient),
      identity: { env: 'IDENTITY' },
    },
  })
const withIdentity = (...identities: readonly AgeIdentity[]) => ({
  env: { IDENTITY: identities.map(({ text }) => text).join('\n') },
})

async function certs(line: string, options: RunOptions = {}) {
  const ran = await place.certs(line, options)
  said.push(ran.stdout, ran.stderr)
  return ran
}

/** Files of the state folder in which a PEM key stands. */
async function clearFiles(): Promise<string[]> {
  const entries = await readdir(place.state, { recursive: true, withFileTypes: true })
  const files = entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name))
  const texts = await Promise.all(files.map((file) => readFile(file, 'latin1')))
  return files
    .filter((_, at) => texts[at]!.includes('BEGIN PRIVATE KEY'))
    .map((file) => file.slice(place.state.length + 1))
}

test('keys that were in the clear are named, sealed by a command, and needed by nothing that only looks', async () => {
  expect(await certs('rollout first.fleet.example')).toMatchObject({ exitCode: 0 })
  expect(await clearFiles()).toHaveLength(2)

  await sealTo(ours)
  const status = await certs('status first.fleet.example')
  expect(status.stdout).toMatch(/\n\n2 private keys lie in the clear\nhint: certs state seal\n$/)
  const check = await certs('check')
  expect(check.stdout).toMatch(/! +keys .* 2 keys in the clear; reading the secret state\.identity failed/)
  expect(check.stdout).toContain('hint: certs state seal')
  expect(check.exitCode).toBe(0)

  expect(await certs('state seal', withIdentity(theirs))).toMatchObject({
    exitCode: 1,
    stdout: 'Nothing was changed; 1 failure, see below.\n',
    stderr: expect.stringContaining(`state.encryptTo lacks its recipient ${theirs.recipient}`),
  })
  expect(await clearFiles()).toHaveLength(2)
  expect(await certs('state seal', withIdentity(ours))).toMatchObject({
    exitCode: 0,
    stdout: 'Sealed 2 keys.\n',
    stderr: '',
  })
  expect(await clearFiles()).toEqual([])
  expect((await certs('state seal')).stdout).toBe(
    'Nothing to do: all 2 keys are sealed to the recipients of state.encryptTo.\n',
  )
  expect((await certs('history')).stdout).toContain('sealed 2 private keys of the state')

  for (const line of ['status', 'plan', 'verify', 'renew --now --verbose']) {
    const { stderr, exitCode } = await certs(`${line} first.fleet.example`)
    expect({ line, stderr, exitCode }).toEqual({ line, stderr: '', exitCode: 0 })
  }
  expect((await certs('check', withIdentity(ours))).stdout).toMatch(
    /✓ +keys .* 2 keys sealed; the identity opens those that are in use\n/,
  )
  const wrong = await certs('check', withIdentity(theirs))
  expect(wrong.exitCode).toBe(1)

  const key = join(place.state, 'archive/first.fleet.example/privkey1.pem')
  const whole = await readFile(key, 'utf8')
  await writeFile(key, `${whole.slice(0, 600)}${whole.slice(601)}`)
  const damaged = await certs('check', withIdentity(ours))
  expect(damaged.stderr).toContain(`opening ${key} failed: the age text is damaged`)
  expect(damaged.exitCode).toBe(1)
  await writeFile(key, whole)
  await chmod(key, 0o644)
  const open = await certs('status first.fleet.example')
  expect(open.stdout).toMatch(
    /^first\.fleet\.example: version 1 is stored[^]*\n\nothers may open .*privkey1\.pem: /,
  )
  expect(open.stdout).toContain(`hint: chmod 600 ${key}`)
  await chmod(key, 0o600)
  expect(wrong.stdout).toMatch(/✗ +keys .* failed\n/)
})

test('an issuance without the identity is refused before anything is ordered or counted as tried', async () => {
  place.deeds()
  const refused = await certs('rollout first.fleet.example --force-renew')
  expect(refused.exitCode).toBe(1)
  expect(refused.stderr).toContain(
    'reading the secret state.identity failed: the environment variable IDENTITY is not set',
  )
  expect(place.deeds()).toEqual({ accounts: 0, orders: 0, certificates: 0 })
  expect(await place.failing()).toEqual([])
  const exported = await certs(`export first.fleet.example --out ${place.state}.pem`)
  expect(exported.stderr).toContain('state.identity')
  expect(exported.exitCode).toBe(2)
})

describe('killed with SIGKILL, the next run takes up the same order with its sealed key', () => {
  test.each(killedAt)('at %s', async (point) => {
    const name = `${point}.fleet.example`
    if (point === 'account-created') await removeAccount()
    place.deeds()
    const killed = await certs(`rollout ${name}`, { killAt: point, ...withIdentity(ours) })
    expect(killed, killed.stderr).toMatchObject({ exitCode: 128 })
    expect(await clearFiles()).toEqual([])
    const again = await certs(`rollout ${name}`, withIdentity(ours))
    expect(again, again.stderr).toMatchObject({ exitCode: 0 })
    expect(place.deeds()).toMatchObject({ orders: 1, certificates: 1 })
    expect(await clearFiles()).toEqual([])
    await using store = await openFiles(place.state, vaultOf([ours], [ours]))
    expect(await store.listVersions(name)).toEqual([1])
    expect((await store.getVersion(name, 1))?.key.reveal()).toContain('PRIVATE KEY')
  })

  async function removeAccount(): Promise<void> {
    await using store = await openFiles(place.state)
    for (const document of await store.list('accounts')) await store.remove(document)
  }
})

test('other recipients: said, sealed anew with both identities at hand, and only the new one is needed then', async () => {
  await sealTo(theirs)
  expect((await certs('status first.fleet.example')).stdout).toMatch(
    /\n\d+ private keys lie sealed to other recipients than those of state\.encryptTo\n/,
  )
  const alone = await certs('state seal', withIdentity(theirs))
  expect(alone.exitCode).toBe(1)
  expect(alone.stderr).toContain('state.identity may hold several, one a line')
  const unfit = await certs('check', withIdentity(theirs))
  expect(unfit.stderr).toMatch(
    /opening the key of the account at \S+ failed: it is sealed to other recipients/,
  )
  expect(unfit.exitCode).toBe(1)
  expect(await certs('state seal', withIdentity(ours, theirs))).toMatchObject({ exitCode: 0 })
  expect(await certs('account rotate --yes', withIdentity(theirs))).toMatchObject({ exitCode: 0 })
  expect(await certs('rollout first.fleet.example --force-renew', withIdentity(theirs))).toMatchObject({
    exitCode: 0,
  })
  expect(await clearFiles()).toEqual([])
})

test('taken out of the configuration: still opened, and brought back by a command', async () => {
  expect(await certs('state unseal', withIdentity(theirs))).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('state.encryptTo is configured, and new keys would be sealed'),
  })
  const identity = join(place.state, '../identity.txt')
  await writeFile(identity, theirs.text, { mode: 0o644 })
  await place.configure({ state: { folder: place.state, identity: { file: 'identity.txt' } } })
  expect((await certs('state unseal')).stderr).toContain('its mode 644 lets other users read it')
  await writeFile(`${identity}.mine`, theirs.text, { mode: 0o600 })
  await place.configure({ state: { folder: place.state, identity: { file: 'identity.txt.mine' } } })
  expect((await certs('check')).stdout).toMatch(
    /! +keys .* keys sealed to other recipients; the identity opens those that are in use\n/,
  )
  expect(await certs('rollout moved.fleet.example')).toMatchObject({ exitCode: 0 })
  const unsealed = await certs('state unseal')
  expect(unsealed.stdout).toMatch(/^Unsealed \d+ keys; 1 was so before\.\n$/)
  await place.configure({ state: place.state })
  expect(await certs('rollout first.fleet.example --force-renew')).toMatchObject({ exitCode: 0 })
})

test('neither a key nor an identity was ever said, nor stands in the journal', async () => {
  const journal = await readFile(join(place.state, 'journal.ndjson'), 'utf8')
  expect(journal).toContain('"action":"state-seal"')
  const everything = journal + said.join('\n')
  for (const { text } of [ours, theirs]) expect(everything).not.toContain(text.slice(20, 50))
  await using store = await openFiles(place.state)
  for (const { certificate, number } of await store.listKeys()) {
    const version = await store.getVersion(certificate, number)
    expect(everything).not.toContain(version!.key.reveal().split('\n')[1])
  }
  expect(everything).not.toContain('BEGIN PRIVATE KEY')
})
