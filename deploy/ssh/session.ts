import { randomBytes } from 'node:crypto'
import { addAbortListener } from 'node:events'
import type { ClientChannel } from 'ssh2'
import type { NodeError } from '../../src/core/errors.ts'
import { causeOf } from '../../src/core/cause.ts'
import { type Outcome, saidOrThrow } from '../outcome.ts'
import type { RunOptions, Said } from '../shell.ts'
import { createTranscript, type Transcript } from '../transcript.ts'
import { hopError, placeOf } from './hop.ts'
import type { Login } from './login.ts'

/** One `/bin/sh -s` on the node, waiting for the rest of its input. */
export interface Session {
  readonly prefix: string
  /** Whether it is open: known at the earliest when the node has answered. */
  usable(): Promise<boolean>
  /** Sends the rest, closes standard input and gathers the answer. Once only. */
  finish(rest: string, options: RunOptions & { readonly silenceMs: number }): Promise<Said>
  close(): void
}

export interface SessionStart {
  readonly sudo: boolean
  readonly prefix: string
  /** Milliseconds to wait for the node to open it. */
  readonly openMs: number
}

/**
 * Starts the shell and sends the beginning of its input. The very first line makes it say a random marker:
 * the proof that a shell is there, whatever a login shell, sudo or a forced command say in whatever language.
 */
export function startSession(login: Login, { sudo, prefix, openMs }: SessionStart): Session {
  const marker = randomBytes(16).toString('hex')
  const transcript = createTranscript(marker)
  const stopped = Promise.withResolvers<Outcome>()
  let alive = true
  const command = sudo ? 'sudo -n /bin/sh -s' : '/bin/sh -s'
  const opened = openChannel(login, { command, openMs }, (channel) => {
    channel.write(`printf '\\n%s\\n' ${marker}\n`)
    // By itself: joined, there would be a copy for each session that waits.
    if (prefix !== '') channel.write(prefix)
    const ended = listen(channel, transcript, (tooMuch) => {
      stopped.resolve({ kind: 'flooded' })
      // sshd stops within one window (2 MB) of being asked to; who does not is no sshd.
      if (tooMuch > 4 * 1024 * 1024) login.client.destroy()
    })
    void ended.then(() => (alive = false))
    return { channel, ended }
  })
  // A session prepared ahead may fail before anybody waits for it.
  opened.catch(() => undefined)

  return {
    prefix,
    usable: () =>
      opened.then(
        () => alive,
        () => false,
      ),
    async finish(rest, { silenceMs, signal, onLine }) {
      const { channel, ended } = await opened.catch((error: unknown) => {
        throw whyNotOpened(login, error)
      })
      if (signal?.aborted) throw whyNotOpened(login, new Error('interrupted'))
      channel.end(rest)
      const silence = setTimeout(() => stopped.resolve({ kind: 'silent', ms: silenceMs }), silenceMs)
      const endMs = silenceMs * mostSilences
      const end = setTimeout(() => stopped.resolve({ kind: 'endless', ms: endMs }), endMs)
      transcript.listen({ onPiece: () => silence.refresh(), onLine })
      using _ = signal && addAbortListener(signal, () => stopped.resolve({ kind: 'interrupted' }))
      try {
        const outcome = await Promise.race([stopped.promise, ended])
        return saidOrThrow(outcome, contextOf(login, { sudo, transcript }))
      } finally {
        clearTimeout(silence)
        clearTimeout(end)
        channel.close()
      }
    },
    close: () => void opened.then(({ channel }) => channel.close()).catch(() => undefined),
  }
}

function contextOf({ hop, gone, because }: Login, more: { sudo: boolean; transcript: Transcript }) {
  const { node, target } = hop
  return {
    node,
    place: placeOf(hop),
    user: target.user,
    gone: () => (gone() ? because() : undefined),
    ...more,
  }
}

/** Nothing was sent, so nothing was done. */
function whyNotOpened({ hop, gone, because }: Login, cause: unknown): NodeError {
  const why = gone()
    ? `the connection is gone: ${because()}`
    : causeOf(cause).replace('(SSH) Channel open failure: ', '')
  return hopError(hop, 'connect', {
    message: `start a shell on ${placeOf(hop)} failed: ${why}`,
    hint: gone()
      ? undefined
      : 'its sshd must allow sessions and commands; see MaxSessions and ForceCommand in sshd_config',
    cause,
  })
}

/** `use` is called at once: an exit can come in the same piece of data, and nobody hears it a moment later. */
function openChannel<Used>(
  { client }: Login,
  { command, openMs }: { readonly command: string; readonly openMs: number },
  use: (channel: ClientChannel) => Used,
): Promise<Used> {
  return new Promise((resolve, reject) => {
    let late = false
    const timer = setTimeout(() => {
      late = true
      reject(new Error('no answer'))
    }, openMs).unref()
    // Throws when the connection is gone already.
    client.exec(command, (error, channel) => {
      clearTimeout(timer)
      if (error) reject(error)
      else if (late) channel.close()
      else resolve(use(channel))
    })
  })
}

/** A node that says a word now and then is not waited for without end; the longest orders take a third of this. */
const mostSilences = 10

/** What is still under way when a shell ends comes well within this; a daemon may hold the output open for ever. */
const afterExitMs = 1_000

function listen(
  channel: ClientChannel,
  transcript: Transcript,
  onFlood: (bytes: number) => void,
): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  let outcome: Outcome = { kind: 'lost' }
  let [open, tooMuch] = [2, 0]
  const closed = () => {
    if (--open === 0) resolve(outcome)
  }
  channel
    .on('data', (piece: Buffer) => void (transcript.out(piece) || onFlood((tooMuch += piece.length))))
    .on('exit', (code: number | null, signal?: string) => {
      outcome = code === null ? { kind: 'killed', signal: String(signal) } : { kind: 'exited', code }
      setTimeout(() => resolve(outcome), afterExitMs).unref()
    })
    .on('close', closed)
  channel.stderr
    .on('data', (piece: Buffer) => void (transcript.err(piece) || onFlood((tooMuch += piece.length))))
    .on('end', closed)
  return promise
}
