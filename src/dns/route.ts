import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'

/**
 * Whether this machine has a way to an address at all, as it has none to IPv6 addresses without IPv6.
 * Connecting a UDP socket makes the kernel look for a route and sends nothing.
 */
export async function hasRoute(address: string): Promise<boolean> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  const { promise, resolve } = Promise.withResolvers<boolean>()
  socket.once('error', () => resolve(false))
  socket.once('connect', () => resolve(true))
  socket.connect(53, address)
  return promise.finally(() => socket.close())
}
