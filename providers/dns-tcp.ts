import { connect } from 'node:net'
import { uint16 } from '../src/core/dns-encoding.ts'
import type { NameServer } from '../src/core/name-server.ts'

/** Sends one DNS message over TCP and resolves with the first that comes back (RFC 1035 section 4.2.2). */
export async function exchange(server: NameServer, message: Buffer, signal: AbortSignal): Promise<Buffer> {
  signal.throwIfAborted()
  const socket = connect({ host: server.address, port: server.port, signal })
  socket.write(Buffer.concat([uint16(message.length), message]))
  let received = Buffer.alloc(0)
  try {
    for await (const bytes of socket as AsyncIterable<Buffer>) {
      received = Buffer.concat([received, bytes])
      const length = received.length < 2 ? Infinity : received.readUInt16BE(0)
      if (received.length >= 2 + length) return received.subarray(2, 2 + length)
    }
  } finally {
    socket.destroy()
  }
  throw new Error('the connection was closed without an answer')
}
