import { spawnSync } from 'node:child_process'
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { filesOf } from '../../src/core/certificate.ts'
import type { Version } from '../../src/core/certificate.ts'
import { CertsError, ConfigError, StateError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { openFiles } from '../../src/state/files.ts'
import { openVault, type Vault } from '../../src/state/vault.ts'
import { type AgeIdentity, makeIdentity, vaultOf } from '../support/age-identity.ts'
import { issueVersion } from '../support/issue-version.ts'

const name = 'media.hachyderm.io'
let parent: string
let folder: string
let count = 0
let [first, second]: Version[] = []
let [ours, theirs]: AgeIdentity[] = []

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'certs-sealed-'))
  ;[first, second] = await Promise.all([issueVersion(name, 1), issueVersion(name, 2)])
  ;[ours, theirs] = await Promise.all([makeIdentity(), makeIdentity()])
})
afterAll(() => rm(parent, { recursive: true }))
beforeEach(() => {
  folder = join(parent, `state-${count++}`)
})

const keyPath = (number: number, certificate = name) =>
  join(folder, 'archive', certificate, `privkey${number}.pem`)

async function write(vault: Vault, ...versions: readonly Version[]): Promise<void> {
  await using store = await openFiles(folder, vault)
  for (const version of versions) await store.addVersion(version)
  await store.put('orders/a', { key: await store.keys.keep(filesOf(first!).privkey) }, undefined)
  await store.put('accounts/a', { key: await store.keys.keep(filesOf(second!).privkey) }, undefined)
}

/** The files below the state folder that hold a line of one of the keys. */
async function filesWithKeys(): Promise<string[]> {
  const lines = [first!, second!].map(({ key }) => key.reveal().split('\n')[1]!)
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const found: string[] = []
  for (const entry of entries.filter((one) => one.isFile())) {
    const text = await readFile(join(entry.parentPath, entry.name), 'latin1')
    if (lines.some((line) => text.includes(line))) found.push(entry.name)
  }
  return found.toSorted()
}

async function failureOf(act: Promise<unknown>): Promise<CertsError> {
  const error: unknown = await act.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof CertsError) return error
  throw new Error('it did not fail as it should', { cause: error })
}

test('no file holds a key, and without an identity all but the keys is told', async () => {
  await write(vaultOf([], []), first!)
  expect(await filesWithKeys()).toEqual(['a.json', 'a.json', 'privkey1.pem'])
  folder = join(parent, `state-${count++}`)
  await write(vaultOf([ours!], [ours!]), first!)
  expect(await filesWithKeys()).toEqual([])

  const never = () => Promise.reject(new Error('the identity was asked for'))
  await using store = await openFiles(folder, openVault({ recipients: [ours!.recipient], identity: never }))
  expect(await store.getPublicVersion(name, 1)).toMatchObject({ leaf: first!.leaf })
  expect(await store.newest([name])).toHaveProperty('size', 1)
  expect(await store.listKeys()).toEqual([{ certificate: name, number: 1, form: 'sealed' }])
  await expect(store.getVersion(name, 1)).rejects.toThrow('the identity was asked for')
})

test('one run asks for the identity once, and opens no key twice', async () => {
  await write(vaultOf([ours!], [ours!]), first!, second!)
  let asked = 0
  const identity = () => {
    asked++
    return Promise.resolve(new Secret(`# created: today\n# public key: x\n${ours!.text}\n`))
  }
  await using store = await openFiles(folder, openVault({ recipients: [ours!.recipient], identity }))
  const keys = await Promise.all([1, 2, 1, 2].map((number) => store.getVersion(name, number)))
  expect(keys.map((version) => version?.key.reveal())).toEqual(
    [first!, second!, first!, second!].map((version) => filesOf(version).privkey),
  )
  expect(asked).toBe(1)
})

describe('a sealed key that stands where another belongs is never taken', () => {
  test.each([
    ['of another version', () => copyFile(keyPath(2), keyPath(1))],
    ['of another certificate', () => copyFile(keyPath(2, '*.hachyderm.io'), keyPath(1))],
  ])('%s', async (_, move) => {
    await write(vaultOf([ours!], [ours!]), first!, second!, { ...second!, certificate: '*.hachyderm.io' })
    await move()
    await using store = await openFiles(folder, vaultOf([ours!], [ours!]))
    const error = await failureOf(store.getVersion(name, 1))
    expect(error).toBeInstanceOf(StateError)
    expect(error.message).toBe(
      `reading ${keyPath(1)} failed: it does not belong to ${keyPath(1).replace('privkey', 'cert')}`,
    )
    await expect(store.rewriteKey(name, 1)).rejects.toThrow('it does not belong to')
    await expect(store.addVersion(first!)).rejects.toThrow('has other bytes')
  })

  test('of another document', async () => {
    await write(vaultOf([ours!], [ours!]))
    await using store = await openFiles(folder, vaultOf([ours!], [ours!]))
    type Sealed = { readonly key: { readonly sealed: string; readonly public: string } }
    const [order, account] = await Promise.all([
      store.get<Sealed>('orders/a'),
      store.get<Sealed>('accounts/a'),
    ])
    const mixed = { ...order!.value.key, sealed: account!.value.key.sealed }
    const error = await failureOf(store.keys.open(mixed, 'the key of the order of a'))
    expect(error.message).toMatch(/^opening the key of the order of a failed: another key is sealed/)
  })
})

describe('an identity that can not be used is named, and what to do', () => {
  const opening = async (identity: (() => Promise<Secret>) | undefined) => {
    await write(vaultOf([ours!], [ours!]), first!)
    await using store = await openFiles(folder, openVault({ recipients: [ours!.recipient], identity }))
    return await failureOf(store.getVersion(name, 1))
  }

  test('none is configured', async () => {
    const error = await opening(undefined)
    expect(error.message).toBe(
      `opening ${keyPath(1)} failed: keys are sealed, and state.identity is not configured`,
    )
    expect(error.hints).toEqual([expect.stringContaining(`the identity of one of ${ours!.recipient}`)])
  })

  test('another one: its recipient is told, which is public', async () => {
    const error = await opening(() => Promise.resolve(new Secret(theirs!.text)))
    expect(error.message).toBe(
      `opening ${keyPath(1)} failed: it is sealed to other recipients than that of the identity in state.identity, ${theirs!.recipient}`,
    )
    expect(JSON.stringify([error.message, error.hints])).not.toContain('AGE-SECRET')
  })

  test.each([
    ['-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END', 'sealed by a passphrase itself', "['age', '-d', "],
    ['-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA', 'SSH keys are not supported', 'age-keygen -o'],
    ['AGE-PLUGIN-YUBIKEY-1QQ', 'identities of plugins are not supported', 'age-keygen -o'],
    ['# nothing here', 'there is none in it', 'age-keygen -o'],
    ['AGE-SECRET-KEY-1QQQQ', 'it is no age identity, or not a whole one', 'AGE-SECRET-KEY-1'],
    ['swordfish', 'it is no age identity', 'AGE-SECRET-KEY-1'],
  ])('%j', async (text, said, hint) => {
    const error = await opening(() => Promise.resolve(new Secret(text)))
    expect(error).toBeInstanceOf(ConfigError)
    expect(error.message).toContain(said)
    expect(error.hints.join('\n')).toContain(hint)
    expect(JSON.stringify([error.message, error.hints])).not.toMatch(/QQ|swordfish/)
  })

  test('nothing is sealed to recipients that the identity is none of', async () => {
    await using store = await openFiles(folder, vaultOf([theirs!], [ours!]))
    const error = await failureOf(store.addVersion(first!))
    expect(error.message).toContain(`state.encryptTo lacks its recipient ${ours!.recipient}`)
    await expect(store.keys.keep(filesOf(first!).privkey)).rejects.toThrow(ConfigError)
    await expect(store.keys.prove()).rejects.toThrow(ConfigError)
    expect(await store.highestNumber(name)).toBe(0)
  })
})

test('damage anywhere in a sealed key is found before the key is used', async () => {
  await write(vaultOf([ours!], [ours!]), first!)
  const whole = await readFile(keyPath(1), 'utf8')
  const lines = whole.split('\n')
  const damages = [
    ...lines.slice(1, -2).map((line, at) => lines.with(at + 1, `${line.slice(1)}${line[0]}`).join('\n')),
    ...lines.slice(1, -2).map((_, at) => lines.toSpliced(at + 1, 1).join('\n')),
    whole.slice(0, 200),
    lines[0]!,
  ]
  expect(damages.length).toBeGreaterThan(20)
  for (const text of damages) {
    await writeFile(keyPath(1), text)
    await using store = await openFiles(folder, vaultOf([ours!], [ours!]))
    await failureOf(store.getVersion(name, 1))
  }
  await writeFile(keyPath(1), lines.toSpliced(-3, 1, `A${lines.at(-3)!.slice(1)}`).join('\n'))
  await using store = await openFiles(folder, vaultOf([ours!], [ours!]))
  const error = await failureOf(store.getVersion(name, 1))
  expect(error.message).toContain(`opening ${keyPath(1)} failed: the age text is damaged`)
  expect(error.hints.join()).toContain('restore it from a backup')
})

describe('written anew', () => {
  const rewrite = async (vault: Vault) => {
    await using store = await openFiles(folder, vault)
    await store.rewriteKey(name, 1)
    return (await store.listKeys())[0]?.form
  }

  test('keys in the clear are sealed, then to others, then in the clear again: byte by byte what they were', async () => {
    await write(vaultOf([], []), first!)
    const before = await readFile(keyPath(1), 'utf8')
    expect(await rewrite(vaultOf([ours!], [ours!]))).toBe('sealed')
    expect(await filesWithKeys()).toEqual(['a.json', 'a.json'])

    await using changed = await openFiles(folder, vaultOf([theirs!], [theirs!]))
    expect((await changed.listKeys())[0]?.form).toBe('sealed-otherwise')
    await expect(changed.rewriteKey(name, 1)).rejects.toThrow('sealed to other recipients')
    expect(await rewrite(vaultOf([theirs!], [ours!, theirs!]))).toBe('sealed')
    await using former = await openFiles(folder, vaultOf([ours!], [ours!]))
    await expect(former.getVersion(name, 1)).rejects.toThrow('sealed to other recipients')

    expect(await rewrite(vaultOf([], [theirs!]))).toBe('clear')
    expect(await readFile(keyPath(1), 'utf8')).toBe(before)
  })

  test('the key of a version that was never whole is sealed, too, and what is no key is left', async () => {
    await write(vaultOf([], []), first!)
    await rm(keyPath(1).replace('privkey', 'cert'))
    expect(await rewrite(vaultOf([ours!], [ours!]))).toBe('sealed')
    await writeFile(keyPath(1), 'no key\n')
    await expect(rewrite(vaultOf([ours!], [ours!]))).rejects.toThrow('there is no key in it')
    expect(await readFile(keyPath(1), 'utf8')).toBe('no key\n')
  })
})

const ageMissing = spawnSync('age', ['--version']).status !== 0
if (ageMissing && process.env['CI'] === 'true') throw new Error('CI must have the program age')

describe.skipIf(ageMissing)('the program age', () => {
  const age = (args: readonly string[], input?: string) => {
    const { stdout, stderr, status } = spawnSync('age', args, { input, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    return stdout
  }

  test('opens what certs sealed, for each of its recipients', async () => {
    await write(vaultOf([ours!, theirs!], [ours!]), first!)
    for (const { text } of [ours!, theirs!]) {
      const identity = join(parent, 'identity.txt')
      await writeFile(identity, text, { mode: 0o600 })
      expect(age(['-d', '-i', identity, keyPath(1)])).toBe(filesOf(first!).privkey)
    }
  })

  test('seals what certs opens, though of such a key nothing is known before', async () => {
    await write(vaultOf([ours!], [ours!]), first!)
    const sealed = age(['-a', '-r', ours!.recipient], filesOf(first!).privkey)
    await writeFile(keyPath(1), sealed)
    await using store = await openFiles(folder, vaultOf([ours!], [ours!]))
    expect((await store.getVersion(name, 1))?.key.reveal()).toBe(filesOf(first!).privkey)
    expect(await store.getPublicVersion(name, 1)).toMatchObject({ secretSums: {} })
    expect((await store.listKeys())[0]?.form).toBe('sealed-otherwise')
    await store.addVersion(first!)
    await expect(store.addVersion({ ...second!, number: 1 })).rejects.toThrow('has other bytes')

    const binary = spawnSync('age', ['-r', ours!.recipient], { input: filesOf(first!).privkey }).stdout
    await writeFile(keyPath(1), binary)
    const error = await failureOf(store.getVersion(name, 1))
    expect(error.message).toContain('it is a binary age file, and only armored ones are read')
  })

  test('makes the identity, whose file is taken as it is', async () => {
    const file = join(parent, 'made.txt')
    expect(spawnSync('age-keygen', ['-o', file]).status).toBe(0)
    const text = await readFile(file, 'utf8')
    const recipient = /public key: (\S+)/.exec(text)![1]!
    const identity = () => Promise.resolve(new Secret(text))
    await write(openVault({ recipients: [recipient], identity }), first!)
    expect(age(['-d', '-i', file, keyPath(1)])).toBe(filesOf(first!).privkey)
  })
})
