import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface SlowLink extends AsyncDisposable {
  readonly port: number
}

export interface SlowLinkOptions {
  /** Milliseconds there and back. */
  readonly rttMs: number
  /** Closes by RST after this many bytes from the client. */
  readonly cutAfterBytes?: number
  /** What comes within this many milliseconds is handed on in one piece. */
  readonly gatherMs?: number
}

/** A TCP proxy that is far away. Its own handshake is near: one round trip of a real link is missing. */
export async function startSlowLink(toPort: number, options: SlowLinkOptions): Promise<SlowLink> {
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ host: '127.0.0.1', port: toPort, noDelay: true })
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined).once('close', () => sockets.delete(socket))
    }
    let sent = 0
    const cut = (piece: Buffer) => {
      sent += piece.length
      if (options.cutAfterBytes === undefined || sent < options.cutAfterBytes) return
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
    near.on('data', cut)
    const handOn = options.gatherMs === undefined ? relay : gather
    const delayMs = options.gatherMs ?? options.rttMs / 2
    handOn(near, far, delayMs)
    handOn(far, near, delayMs)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function relay(from: Socket, to: Socket, delayMs: number): void {
  from.on('data', (piece) => setTimeout(() => to.writable && to.write(piece), delayMs))
  from.on('close', () => setTimeout(() => to.destroy(), delayMs))
}

function gather(from: Socket, to: Socket, delayMs: number): void {
  let pieces: Buffer[] = []
  const flush = () => {
    const whole = Buffer.concat(pieces)
    pieces = []
    if (to.writable) to.write(whole)
  }
  from.on('data', (piece) => {
    if (pieces.push(piece) === 1) setTimeout(flush, delayMs)
  })
  from.on('close', () => setTimeout(() => to.destroy(), delayMs))
}
