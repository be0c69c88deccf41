import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { Version } from '../../src/core/certificate.ts'
import type { Config } from '../../src/index.ts'
import { image } from '../lab/image.ts'
import { fakeNode, snapshot } from './fake-node.ts'
import { runAs, startFakeSshd } from './fake-sshd.ts'
import { startTlsServer } from './tls-server.ts'

/**
 * A node in this process that `certs` reaches as any other: an sshd, the node program in a namespace of its own, and TLS
 * that goes on with what was loaded by the last reload.
 */
export interface ScriptedNode extends AsyncDisposable {
  /** As it stands under `nodes` in a configuration. */
  readonly config: NonNullable<Config['nodes']>[string]
  /** Whether a reload does anything; it says that it did in either case. */
  reloads(does: boolean): void
  /** Every file with its bytes, inode and times, and how often nginx was reloaded. */
  snapshot(): string
  /** The number that live points to, when that is what is served. */
  serves(): number | undefined
}

export async function startScriptedNode(certificate: string, version: Version): Promise<ScriptedNode> {
  await using stack = new AsyncDisposableStack()
  const fake = stack.use(fakeNode())
  const { folder } = fake
  fake.lay(version)
  const live = fake.path('live', certificate)
  const load = `cat ${live}/privkey.pem ${live}/fullchain.pem >${folder}/loading && mv ${folder}/loading ${folder}/loaded`
  const loaded = () => readFileSync(join(folder, 'loaded'), 'utf8')
  const onDisk = () =>
    ['privkey', 'fullchain'].map((kind) => readFileSync(join(live, `${kind}.pem`), 'utf8')).join('')
  const reloads = (does: boolean) => fake.will('reload', does ? load : ':')
  reloads(true)

  const shell = [...fake.enter(), '/bin/sh', '-c']
  const sshd = stack.use(await startFakeSshd({ exec: runAs(shell) }))
  await stack.use(fake.shell({ sh: ['sh', '-c', load] })).run('')
  const picture = image(9, 9, 9)
  const tls = stack.use(
    await startTlsServer({
      SNICallback: (_name, done) => {
        const pem = loaded()
        done(null, createSecureContext({ key: pem, cert: pem.slice(pem.indexOf('-----BEGIN CERTIFICATE')) }))
      },
      answer: (_request, response) =>
        void response.writeHead(200, { 'content-type': 'image/png' }).end(picture),
    }),
  )
  const { ssh } = sshd.node()
  const { port } = tls.endpoint
  const started = stack.move()
  return {
    config: { ...ssh, paths: { root: fake.root }, endpoints: [`127.0.0.1:${port}`] },
    reloads,
    snapshot: () => JSON.stringify([snapshot(fake.root), loaded()]),
    serves: () => {
      const link = snapshot(live)['cert.pem'] ?? ''
      return loaded() === onDisk() ? Number(/cert(\d+)\.pem/.exec(link)?.[1]) : undefined
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}
