import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface PlainServer extends AsyncDisposable {
  readonly port: number
}

/** TCP on loopback that does with each connection what a test wants: hang, close, talk nonsense. */
export async function startPlain(onConnection: (socket: Socket) => void): Promise<PlainServer> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
