import type { Socket } from 'node:net'
import { createSecureContext, TLSSocket, type SecureContextOptions } from 'node:tls'
import type { Endpoint, Starttls } from '../../src/core/node.ts'
import { startPlain } from './plain-server.ts'

export interface MailServer extends AsyncDisposable {
  readonly endpoint: Endpoint
  /** What it was told in the clear. */
  readonly heard: readonly string[]
}

export interface MailServerOptions {
  readonly protocol: Starttls
  readonly greeting?: string
  /** What is said to a line; `TLS` as the last word on a line of its own begins TLS. */
  readonly answer: (line: string) => string | undefined
  readonly serves: SecureContextOptions
}

/** A mail server that says what a test wants it to say until TLS begins. */
export async function startMailServer(options: MailServerOptions): Promise<MailServer> {
  const heard: string[] = []
  const server = await startPlain((socket) => converse(socket, options, heard))
  return {
    endpoint: { address: '127.0.0.1', port: server.port, via: 'direct', starttls: options.protocol },
    heard,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

function converse(socket: Socket, { greeting, answer, serves }: MailServerOptions, heard: string[]): void {
  if (greeting !== undefined) socket.write(greeting)
  const listen = (piece: Buffer) => {
    for (const line of piece.toString('latin1').split('\r\n').slice(0, -1)) {
      heard.push(line)
      const said = answer(line)
      if (said === undefined) continue
      const [words = '', tls] = said.split('TLS\n')
      socket.write(words)
      if (tls === undefined) continue
      socket.off('data', listen)
      new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(serves) }).on(
        'error',
        () => {},
      )
    }
  }
  socket.on('data', listen)
}
