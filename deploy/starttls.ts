import type { Duplex } from 'node:stream'
import type { Starttls } from '../src/core/node.ts'
import { printableLine } from '../src/core/printable.ts'

/**
 * Speaks with a mail server in the clear up to the point where TLS begins (RFC 3207, RFC 3501 section 6.2.1, RFC 2595
 * section 4). Throws Error with the cause, one line; the caller's deadline destroys the stream. What is said is no
 * secret and trusted in nothing: the handshake that follows is judged by itself.
 */
export async function startTls(stream: Duplex, protocol: Starttls): Promise<void> {
  const lines = readLines(stream)
  const send = (line: string) => void stream.write(`${line}\r\n`)
  try {
    await conversations[protocol](lines.next, send)
    // What came in the clear behind the answer would be taken for what came through TLS (CVE-2011-0411).
    if (lines.rest() > 0) throw new Error('it said more in the clear than its answer to STARTTLS')
  } finally {
    lines.end()
  }
}

type Next = () => Promise<string>
type Send = (line: string) => void

const conversations: Readonly<Record<Starttls, (next: Next, send: Send) => Promise<void>>> = {
  async smtp(next, send) {
    await smtpReply(next, '220')
    // An address is a name that no server looks up.
    send('EHLO [127.0.0.1]')
    const offers = await smtpReply(next, '250')
    if (!offers.some((line) => /^starttls$/i.test(line.slice(4).trim()))) {
      throw new Error('it does not offer STARTTLS')
    }
    send('STARTTLS')
    await smtpReply(next, '220')
  },
  async imap(next, send) {
    const greeting = await next()
    if (!/^\* OK\b/i.test(greeting)) throw said(greeting)
    send('a STARTTLS')
    let answer = await next()
    while (answer.startsWith('* ')) answer = await next()
    if (!/^a OK\b/i.test(answer)) throw said(answer)
  },
  async pop3(next, send) {
    const greeting = await next()
    if (!/^\+OK\b/.test(greeting)) throw said(greeting)
    send('STLS')
    const answer = await next()
    if (!/^\+OK\b/.test(answer)) throw said(answer)
  },
}

/** All lines of one reply: each but the last has a dash behind its code. */
async function smtpReply(next: Next, code: string): Promise<string[]> {
  const lines: string[] = []
  for (;;) {
    const line = await next()
    if (!line.startsWith(code)) throw said(line)
    lines.push(line)
    if (line[3] !== '-') return lines
  }
}

function said(line: string): Error {
  return new Error(`it said "${printableLine(line, { max: 120 })}" before TLS`)
}

/** For all that is said before TLS; a greeting or a list of extensions is far shorter. */
const mostBytes = 32_768

interface Lines {
  /** The next line, without its end. Throws when the stream ends or says too much. */
  readonly next: Next
  /** Bytes that came and were not asked for. */
  readonly rest: () => number
  /** Leaves the stream, paused, to the next reader. */
  readonly end: () => void
}

function readLines(stream: Duplex): Lines {
  let text = ''
  let bytes = 0
  let fault: Error | undefined
  let wake = () => {}
  const hear = (piece: Buffer) => {
    bytes += piece.length
    text += piece.toString('latin1')
    if (bytes > mostBytes) fail(new Error('it said too much before TLS'))
    wake()
  }
  const fail = (error: Error) => {
    fault ??= error
    wake()
  }
  const close = () => fail(new Error('it closed the connection before TLS'))
  stream.on('data', hear).on('error', fail).on('close', close).on('end', close)
  return {
    async next() {
      for (;;) {
        if (fault) throw fault
        const end = text.indexOf('\n')
        if (end >= 0) {
          const line = text.slice(0, end).replace(/\r$/, '')
          text = text.slice(end + 1)
          return line
        }
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
    rest: () => text.length,
    end() {
      stream.pause()
      stream.off('data', hear).off('error', fail).off('close', close).off('end', close)
    },
  }
}
