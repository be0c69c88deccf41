/** Many scripted nodes in a process of their own, told what to be by messages; it ends with the one who started it. */
import { once } from 'node:events'
import { createServer as createTcp, type AddressInfo, type Server } from 'node:net'
import { createSecureContext, createServer as createTls, type SecureContext, type TLSSocket } from 'node:tls'
import ssh2 from 'ssh2'
import type { Connection, ServerChannel } from 'ssh2'
import type { Act, Behaviour, CrowdScript, Ports, Question, Reply, Told } from './behaviour.ts'

type State = { -readonly [Key in keyof Told]: Told[Key] } & { orders: string[]; archived: boolean }

interface ScriptedNode {
  readonly ports: Ports
  readonly state: State
}

const fresh = (): State => ({ logins: 0, orders: [], live: 'old', serves: 'old', archived: false })
const nodes = new Map<string, ScriptedNode>()

process.on('disconnect', () => process.exit())
process.on('message', (question: Question) => void answer(question).then((reply) => process.send?.(reply)))

async function answer(question: Question): Promise<Reply> {
  switch (question.ask) {
    case 'start':
      return { reply: 'started', ports: await start(question.script) }
    case 'tell':
      return {
        reply: 'told',
        nodes: Object.fromEntries([...nodes].map(([name, { state }]) => [name, state])),
      }
    case 'reset':
      for (const { state } of nodes.values()) Object.assign(state, fresh())
      return { reply: 'reset' }
  }
}

async function start(script: CrowdScript): Promise<Record<string, Ports>> {
  const contexts = {
    old: createSecureContext({ key: script.old.key, cert: script.old.fullchain }),
    new: createSecureContext({ key: script.new.key, cert: script.new.fullchain }),
  }
  for (const [name, behaviour] of Object.entries(script.nodes)) {
    const state = fresh()
    const ports = {
      ssh: await listening(door(behaviour, state, script)),
      tls: await listening(tls(behaviour, state, contexts)),
    }
    nodes.set(name, { ports, state })
  }
  return Object.fromEntries([...nodes].map(([name, { ports }]) => [name, ports]))
}

async function listening(server: Pick<Server, 'listen' | 'address'> & NodeJS.EventEmitter): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

function tls(
  { serves }: Behaviour,
  state: State,
  contexts: Readonly<Record<'old' | 'new', SecureContext>>,
): Server {
  const server = createTls({
    SNICallback(_name, done) {
      const changed = state.live === 'new'
      if (changed && serves === 'silent') return
      if (changed && serves === 'nothing') done(new Error('no'))
      else done(null, contexts[state.serves])
    },
  })
  return server
    .on('tlsClientError', (_error, socket: TLSSocket) => socket.destroy())
    .on('secureConnection', (socket) => socket.on('error', () => undefined).end())
}

function door(
  behaviour: Behaviour,
  state: State,
  script: CrowdScript,
): Server | InstanceType<typeof ssh2.Server> {
  if (behaviour.door === 'frozen') return createTcp((socket) => socket.on('error', () => undefined).resume())
  if (behaviour.door === 'drops') return createTcp((socket) => socket.on('error', () => undefined).destroy())
  const strange = behaviour.door === 'other-key' || behaviour.door === 'unknown-key'
  const hostKeys = [strange ? script.strangeKey : script.hostKey]
  return new ssh2.Server({ hostKeys }, (connection) => {
    // It has one, but the types don't know.
    Reflect.apply(Reflect.get(connection, 'setNoDelay') as () => void, connection, [true])
    connection
      .on('error', () => undefined)
      .on('authentication', (context) => {
        if (behaviour.door === 'refuses') return context.reject(['publickey'])
        context.accept()
      })
      .on('ready', () => (state.logins += 1))
      .on('session', (accept) => {
        accept().on('exec', (acceptExec) => serve(acceptExec(), { connection, behaviour, state, script }))
      })
  })
}

interface Serving {
  readonly connection: Connection
  readonly behaviour: Behaviour
  readonly state: State
  readonly script: CrowdScript
}

/** One `/bin/sh -s`: it says its marker at once, as a shell does, and acts when its input is whole. */
function serve(channel: ServerChannel, serving: Serving): void {
  let input = ''
  let begun = false
  channel
    .on('error', () => undefined)
    .on('data', (piece: Buffer) => {
      input += piece.toString('latin1')
      const marker = /^printf '\\n%s\\n' ([0-9a-f]+)\n/.exec(input)?.[1]
      if (begun || marker === undefined) return
      begun = true
      channel.write(`\n${marker}\n`)
    })
  channel.on('end', () => {
    const data = input.slice(input.lastIndexOf("\nmain <<'END_"))
    const token = /\ntoken (\S+)\n/.exec(data)?.[1]
    const verb = /\nverb (\S+)\n/.exec(data)?.[1] ?? ''
    if (token === undefined || !data.endsWith(`END_${token}\n`)) return leave(channel, 1)
    serving.state.orders.push(verb)
    act(channel, actOn(verb, serving), { token, ...serving })
  })
}

function actOn(verb: string, { behaviour, state, script: { answers } }: Serving): Act {
  if (verb === 'install') {
    if (behaviour.install) return behaviour.install
    Object.assign(state, { live: 'new', archived: true })
    if (behaviour.serves !== 'old') state.serves = 'new'
    return { do: 'answer', text: answers.install }
  }
  if (verb === 'rollback') {
    if (behaviour.rollback) return behaviour.rollback
    Object.assign(state, { live: 'old', serves: 'old' })
    return { do: 'answer', text: answers.rollback }
  }
  if (behaviour.inspect) return behaviour.inspect
  const text = state.live === 'new' ? answers.after : state.archived ? answers.back : answers.before
  return { do: 'answer', text }
}

function act(channel: ServerChannel, what: Act, { token, connection }: Serving & { token: string }): void {
  switch (what.do) {
    case 'answer':
      setTimeout(() => {
        channel.write(Buffer.from(what.text.replaceAll('TOKEN', token), what.bytes ? 'latin1' : 'utf8'))
        leave(channel, what.exitCode ?? 0)
      }, what.afterMs ?? 0)
      return
    case 'die':
      channel.write(what.text.replaceAll('TOKEN', token))
      setTimeout(() => connection.end(), 10)
      return
    case 'silent':
      channel.write(what.text.replaceAll('TOKEN', token))
      return
    case 'flood': {
      const piece = Buffer.alloc(65_536, 'flood\n')
      const more = (): void => {
        while (channel.writable && channel.write(piece));
      }
      channel.on('drain', more)
      more()
    }
  }
}

function leave(channel: ServerChannel, code: number): void {
  channel.exit(code)
  channel.end()
}
