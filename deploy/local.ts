import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { addAbortListener } from 'node:events'
import { userInfo } from 'node:os'
import { NodeError } from '../src/core/errors.ts'
import type { Node } from '../src/core/node.ts'
import { causeOf } from '../src/core/cause.ts'
import { dial } from './dial.ts'
import { type Outcome, saidOrThrow } from './outcome.ts'
import type { RunOptions, Said, Shell } from './shell.ts'
import { createTranscript, type Transcript } from './transcript.ts'

/** Milliseconds. */
interface Patience {
  readonly connect: number
  readonly silence: number
}

/** The shell of the machine that certs runs on: the same program by the same command, and no login. */
export function openLocal(node: Node, patience: Patience): Shell {
  return {
    node: node.name,
    run: (input, options = {}) => runLocally(node, input, { silenceMs: patience.silence, ...options }),
    // There is no round trip to spare.
    prepare: () => {},
    async forward(address, port) {
      try {
        return await dial(address, port, { timeoutMs: patience.connect })
      } catch (cause) {
        const message = `connect to ${address} port ${port} failed: ${causeOf(cause)}`
        throw new NodeError(message, { node: node.name, step: 'connect', cause })
      }
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

async function runLocally({ name, sudo }: Node, input: string, options: RunOptions): Promise<Said> {
  const { signal, silenceMs = 15_000, onLine } = options
  if (signal?.aborted) throw new NodeError('was not begun: interrupted', { node: name, step: 'connect' })
  const marker = randomBytes(16).toString('hex')
  const transcript = createTranscript(marker)
  const stopped = Promise.withResolvers<Outcome>()
  const [file, ...args] = sudo ? ['sudo', '-n', '/bin/sh', '-s'] : ['/bin/sh', '-s']
  // A process group of its own: Ctrl-C is for certs, and what is begun on a node is brought to its end.
  // Nor does it get our environment, where secrets may be.
  const child = spawn(file, args, { detached: true, cwd: '/', env: { PATH: path }, stdio: 'pipe' })
  const ended = listen(child, transcript, () => stopped.resolve({ kind: 'flooded' }))
  const silence = setTimeout(() => stopped.resolve({ kind: 'silent', ms: silenceMs }), silenceMs)
  transcript.listen({ onPiece: () => silence.refresh(), onLine })
  using _ = signal && addAbortListener(signal, () => stopped.resolve({ kind: 'interrupted' }))
  child.stdin.end(`printf '\\n%s\\n' ${marker}\n${input}`)
  try {
    const outcome = await Promise.race([stopped.promise, ended])
    const { username: user } = userInfo()
    const gone = () => undefined
    return saidOrThrow(outcome, { node: name, place: 'this machine', user, sudo, gone, transcript })
  } finally {
    clearTimeout(silence)
    for (const stream of child.stdio) stream?.destroy()
  }
}

const path = '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin'

/** What is still under way when the shell ends comes well within this; a daemon may hold the output open for ever. */
const afterExitMs = 1_000

function listen(child: ChildProcess, transcript: Transcript, onFlood: () => void): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  const outcomeOf = (code: number | null, signal: string | null): Outcome =>
    code === null ? { kind: 'killed', signal: String(signal) } : { kind: 'exited', code }
  child.stdout?.on('data', (piece: Buffer) => void (transcript.out(piece) || onFlood()))
  child.stderr?.on('data', (piece: Buffer) => void (transcript.err(piece) || onFlood()))
  // It ends before it has read everything when it is no shell of ours; how it ended tells why.
  child.stdin?.on('error', () => undefined)
  child
    // There is no sudo.
    .on('error', () => resolve({ kind: 'exited', code: 127 }))
    .on('exit', (code, signal) => {
      setTimeout(() => resolve(outcomeOf(code, signal)), afterExitMs).unref()
    })
    .on('close', (code, signal) => resolve(outcomeOf(code, signal)))
  return promise
}
