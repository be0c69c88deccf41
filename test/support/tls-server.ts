import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import type { Endpoint } from '../../src/core/node.ts'

export interface TlsServer extends AsyncDisposable {
  readonly endpoint: Endpoint
  /** Called with each connection that has shaken hands. */
  onSecure(use: (socket: TLSSocket) => void): void
  /** Connections so far. */
  connections(): number
}

export interface TlsServerOptions extends TlsOptions {
  readonly address?: string
  readonly answer?: RequestListener
}

/** TLS on a port of its own; with `answer` it speaks HTTP. */
export async function startTlsServer({
  address = '127.0.0.1',
  answer,
  ...options
}: TlsServerOptions): Promise<TlsServer> {
  const server = answer ? createHttps(options, answer) : createServer(options)
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket.once('close', () => sockets.delete(socket)))
  })
  server
    .on('tlsClientError', () => undefined)
    .on('secureConnection', (socket) => socket.on('error', () => undefined))
  server.listen(0, address)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    endpoint: { address, port, via: 'direct' },
    onSecure: (use) => void server.on('secureConnection', use),
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
