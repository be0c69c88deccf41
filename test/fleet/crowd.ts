import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../../src/index.ts'
import { filesOf, type Version } from '../../src/core/certificate.ts'
import { openFiles } from '../../src/state/files.ts'
import { issueVersion } from '../support/issue-version.ts'
import { makeKey } from '../support/sshd.ts'
import { recordCalls, type Recorded } from './answers.ts'
import type { Answers, Behaviour, Pair, Ports, Question, Reply, Told } from './behaviour.ts'

export const certificate = 'media.hachyderm.io'

/** A fleet of scripted nodes, in a process of their own, and a controller that has the version that they lack. */
export interface Crowd extends AsyncDisposable {
  readonly folder: string
  readonly names: readonly string[]
  readonly answers: Answers
  /** What a controller sends for each call. */
  readonly inputs: Recorded['inputs']
  /** Path of the private key that each node lets in, and of a known_hosts file that knows them. */
  readonly identity: string
  readonly knownHosts: string
  readonly ports: Readonly<Record<string, Ports>>
  /** Scripted nodes listen at 127.0.0.1 alone: elsewhere a port is closed. */
  readonly addressOf: (name: string) => string
  /** Writes certs.config.mjs; returns its path. */
  configure(rollout?: Config['rollout']): Promise<string>
  tell(): Promise<Readonly<Record<string, Told>>>
  /** Every node, and the controller, as at the beginning. */
  reset(): Promise<void>
}

/** The script is made from what the real program says. */
export async function startCrowd(
  script: (answers: Answers) => Readonly<Record<string, Behaviour>>,
): Promise<Crowd> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'certs-crowd-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const at = (name: string) => join(folder, name)
  const [old, version] = await Promise.all([
    issueVersion(certificate, 1),
    issueVersion(certificate, 2),
    ...['identity', 'host', 'strange', 'other'].map((name) => makeKey(at(name), 'ed25519')),
  ])
  const [hostKey, strangeKey, hostPub, otherPub] = await Promise.all(
    ['host', 'strange', 'host.pub', 'other.pub'].map((name) => readFile(at(name), 'utf8')),
  )
  const { answers, inputs } = await recordCalls(old, version)
  const nodes = script(answers)
  const behaviours = Object.entries(nodes)
  const names = Object.keys(nodes)
  const child = stack.use(startChild())
  const common = { hostKey: hostKey!, strangeKey: strangeKey!, old: pairOf(old), new: pairOf(version) }
  const started = await child.ask({ ask: 'start', script: { ...common, answers, nodes } })
  const ports = started.reply === 'started' ? started.ports : {}
  const line = (name: string, pub: string) =>
    `[127.0.0.1]:${ports[name]!.ssh} ${pub.split(' ').slice(0, 2).join(' ')}\n`
  await writeFile(
    at('known_hosts'),
    behaviours
      .filter(([, { door }]) => door !== 'unknown-key')
      .map(([name, { door }]) => line(name, door === 'other-key' ? otherPub! : hostPub!))
      .join(''),
  )
  const store = async () => {
    await rm(at('state'), { recursive: true, force: true })
    await using files = await openFiles(at('state'))
    await files.addVersion(version)
  }
  await store()
  const closed = new Set(behaviours.filter(([, { door }]) => door === 'closed').map(([name]) => name))
  const addressOf = (name: string) => (closed.has(name) ? '127.0.0.2' : '127.0.0.1')
  const node = (name: string) => ({
    address: addressOf(name),
    port: ports[name]!.ssh,
    endpoints: [`127.0.0.1:${ports[name]!.tls}`],
  })
  const moved = stack.move()
  return {
    folder,
    names,
    answers,
    inputs,
    identity: at('identity'),
    knownHosts: at('known_hosts'),
    ports,
    addressOf,
    async configure(rollout = {}) {
      const config: Config = {
        state: at('state'),
        // Nobody answers there; nothing is due.
        acme: { directory: 'https://127.0.0.1:1/directory' },
        dns: { home: { provider: 'exec', command: ['true'] } },
        ssh: { user: 'deploy', identity: at('identity'), knownHosts: at('known_hosts') },
        nodes: Object.fromEntries(names.map((name) => [name, node(name)])),
        certificates: { [certificate]: { nodes: names } },
        rollout,
      }
      await writeFile(at('certs.config.mjs'), `export default ${JSON.stringify(config, null, 1)}\n`)
      return at('certs.config.mjs')
    },
    async tell() {
      const told = await child.ask({ ask: 'tell' })
      return told.reply === 'told' ? told.nodes : {}
    },
    async reset() {
      await child.ask({ ask: 'reset' })
      await store()
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  }
}

function pairOf(version: Version): Pair {
  const { privkey, fullchain } = filesOf(version)
  return { key: privkey, fullchain }
}

function startChild() {
  const child = fork(new URL('./scripted-nodes.ts', import.meta.url), { execArgv: [] })
  return {
    async ask(question: Question): Promise<Reply> {
      child.send(question)
      const [reply] = (await once(child, 'message')) as [Reply]
      return reply
    },
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}
