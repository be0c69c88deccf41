import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { inspect } from '../../../deploy/inspect.ts'
import { install } from '../../../deploy/install.ts'
import { fileKinds, filesOf, sha256 } from '../../../src/core/certificate.ts'
import { planLayoutAdoption } from '../../../src/core/layout-adoption.ts'
import { findStrayReads } from '../../../src/core/layout-reads.ts'
import { fakeNode, snapshot, type FakeNode } from '../../support/fake-node.ts'
import { certificate, linksIn, linksTo, livePath, one, order, three } from '../../support/installing.ts'
import { killedAfter } from '../../support/killed-run.ts'
import { sample, straceMissing } from '../../support/strace.ts'

vi.setConfig({ testTimeout: process.env['CERTS_FAULTS'] === 'all' ? 1_200_000 : 120_000 })
if (straceMissing) console.log(`skipped: ${straceMissing}`)

const modes = {
  'the directory exchange': { sh: ['dash'], without: [] },
  'links one after the other': { sh: ['busybox', 'sh'], without: ['/usr/bin/perl', '/usr/bin/python3'] },
}
const four = { ...three, number: 4 }
const copied = filesOf(one)

/** A node on version 1 with real files in live that are of version 3, and an nginx that reads copies of version 1. */
function messy(): FakeNode {
  const fake = fakeNode()
  fake.lay(one)
  for (const kind of fileKinds) {
    unlinkSync(livePath(fake, kind))
    writeFileSync(livePath(fake, kind), filesOf(three)[kind], { mode: 0o600 })
  }
  const ssl = join(fake.folder, 'ssl')
  mkdirSync(ssl)
  writeFileSync(join(ssl, 'a.pem'), copied.fullchain)
  writeFileSync(join(ssl, 'a.key'), copied.privkey, { mode: 0o600 })
  const server = `server { listen 443 ssl; server_name ${certificate}; ssl_certificate ${ssl}/a.pem; ssl_certificate_key ${ssl}/a.key; }`
  writeFileSync(
    join(fake.folder, 'dump'),
    `# configuration file /etc/nginx/nginx.conf:\nhttp { ${server} }\n`,
  )
  allow(fake)
  return fake
}

function allow(fake: FakeNode): void {
  fake.will('test', `case "$*" in *-T*) cat ${fake.folder}/dump ;; esac`)
}

/** What a controller does: look, plan, act. */
async function adopt(
  fake: FakeNode,
  options: { sh: string[]; without: string[] },
  shell = fake.shell(options),
) {
  const names = { name: certificate, names: [certificate], verifyNames: [certificate] }
  const seen = await inspect(fake.shell(options), fake.node, [certificate], { names: names.names })
  const strays = findStrayReads(names, seen)
  const lineage = seen.lineages[certificate]!
  const wish = { lineage, kinds: fileKinds, to: 4, avoid: new Set<number>(), strays }
  return install(shell, fake.node, { ...order, version: four, adoption: planLayoutAdoption(wish) })
}

function pairMatches(certificateFile: string, keyFile: string): boolean {
  const [pem, key] = [certificateFile, keyFile].map((file) => readFileSync(file, 'utf8'))
  return new X509Certificate(pem!).checkPrivateKey(createPrivateKey(key!))
}

function sums({ folder }: FakeNode): Set<string> {
  const within = (path: string) => readdirSync(join(folder, path), { recursive: true, withFileTypes: true })
  const names = ['etc', 'ssl'].flatMap(within)
  const files = names.filter((name) => name.isFile()).map((name) => join(name.parentPath, name.name))
  return new Set(files.map((file) => sha256(readFileSync(file, 'latin1'))))
}

const inSsl = (fake: FakeNode) =>
  Object.fromEntries(
    Object.entries(snapshot(fake.folder, { times: false })).filter(([path]) =>
      /^(ssl|etc\/letsencrypt\/live)/.test(path),
    ),
  )

async function everyCall(
  options: { sh: string[]; without: string[] },
  act: (at: number) => Promise<void>,
  most: number,
) {
  using fake = messy()
  using counted = killedAfter(fake, Infinity, options)
  await adopt(fake, options, counted.shell)
  const calls = counted.calls()
  expect(calls).toBeGreaterThan(40)
  const queue = sample(
    Array.from({ length: calls }, (_, i) => i + 1),
    most,
  )
  const worker = async () => {
    for (let at = queue.shift(); at !== undefined; at = queue.shift()) await act(at)
  }
  await Promise.all([worker(), worker()])
}

describe.skipIf(straceMissing).for(Object.entries(modes))('adopting, switched by %s', ([name, options]) => {
  test('killed after any change nothing is lost, live has a pair, and the next run completes it', async () => {
    await everyCall(
      options,
      async (at) => {
        using fake = messy()
        const before = sums(fake)
        using killed = killedAfter(fake, at, options)
        await adopt(fake, options, killed.shell).catch(() => {})
        const missing = [...before].filter((sum) => !sums(fake).has(sum))
        expect([at, missing.length]).toEqual([at, 0])
        if (name === 'the directory exchange')
          expect([at, pairMatches(livePath(fake, 'fullchain'), livePath(fake, 'privkey'))]).toEqual([
            at,
            true,
          ])

        await adopt(fake, options)
        const ssl = join(fake.folder, 'ssl')
        expect([at, linksIn(fake)]).toEqual([at, linksTo(4)])
        expect([at, readlinkSync(join(ssl, 'a.key'))]).toEqual([at, livePath(fake, 'privkey')])
        expect([at, pairMatches(join(ssl, 'a.pem'), join(ssl, 'a.key'))]).toEqual([at, true])
        expect([at, readdirSync(ssl).toSorted()]).toEqual([
          at,
          ['a.key', 'a.key.before-certs', 'a.pem', 'a.pem.before-certs'],
        ])
        expect([at, [...before].filter((sum) => !sums(fake).has(sum)).length]).toEqual([at, 0])
        const left = Object.keys(snapshot(fake.root)).filter((path) => /(^|\/)\.[a-z]/.test(path))
        expect([at, left]).toEqual([at, []])
      },
      8,
    )
  })

  test('killed after any change it is undone by the next run when nginx refuses the version', async () => {
    await everyCall(
      options,
      async (at) => {
        using fake = messy()
        const before = inSsl(fake)
        using killed = killedAfter(fake, at, options)
        await adopt(fake, options, killed.shell).catch(() => {})
        if (fake.calls().some((call) => call.startsWith('systemctl'))) return
        const refuses = `case $(readlink ${livePath(fake, 'privkey')}) in *4.pem) echo "no ${fake.root}/live/${certificate}/"; exit 1 ;; esac`
        fake.will('test', `case "$*" in *-T*) cat ${fake.folder}/dump; exit ;; esac; ${refuses}`)
        const error = await adopt(fake, options).catch((reason: unknown) => reason)
        expect([at, error]).toMatchObject([at, { step: 'test', left: 'restored' }])
        expect([at, inSsl(fake)]).toEqual([at, before])
      },
      5,
    )
  })
})
