import { once } from 'node:events'
import { createServer, Socket } from 'node:net'
import type { Server } from 'node:net'

export interface DelayProxyOptions {
  /** Milliseconds there and back, the same both ways. */
  readonly rttMs: number
  /** Ends each connection by RST when exactly this many bytes have gone this way. */
  readonly cut?: { readonly afterBytes: number; readonly way: 'there' | 'back' }
}

/** A TCP proxy that makes what is near as far away as it says, the connection's own handshake included. */
export interface DelayProxy extends AsyncDisposable {
  readonly address: string
  readonly port: number
  /** How many connections there have been. */
  readonly connections: number
  /** From now on nothing is passed on and nothing is closed; the kernel still takes what is sent. */
  freeze(): void
  /** Passes on what was held. */
  thaw(): void
  /** Ends all connections by RST, now and on both sides. */
  reset(): void
}

interface Link {
  readonly near: Socket
  readonly far: Socket
  readonly lanes: readonly [Lane, Lane]
}

/** One direction of one connection. */
interface Lane {
  push(act: () => void): void
  run(): void
}

export async function startDelayProxy(
  to: { readonly host: string; readonly port: number },
  options: DelayProxyOptions,
): Promise<DelayProxy> {
  const links = new Set<Link>()
  let connections = 0
  let frozen = false
  const oneWay = options.rttMs / 2

  const accept = (near: Socket) => {
    connections++
    // The client is told at once that it is connected. Where it really is, SYN and SYN-ACK take a round trip,
    // and the node hears of it half a round trip later, with the client's first bytes.
    const connected = performance.now() + options.rttMs
    const far = new Socket({ allowHalfOpen: true }).setNoDelay()
    const there = makeLane(connected + oneWay)
    // The node's accept: what it does with a connection is decided then, not when the client began.
    there.push(() => far.destroyed || far.connect(to))
    const back = makeLane(connected + oneWay + oneWay)
    const link: Link = { near, far, lanes: [there, back] }
    links.add(link)
    relay(near, far, there, options.cut?.way === 'there' ? cutOff(link) : undefined)
    relay(far, near, back, options.cut?.way === 'back' ? cutOff(link) : undefined)
    for (const socket of [near, far])
      socket.once('close', () => near.destroyed && far.destroyed && links.delete(link))
  }

  /** Acts in their order, each half a round trip after it came, none before `earliest`. */
  const makeLane = (earliest: number): Lane => {
    const waiting: { readonly due: number; readonly act: () => void }[] = []
    let timer: NodeJS.Timeout | undefined
    const run = () => {
      clearTimeout(timer)
      const [next] = waiting
      if (frozen || !next) return
      const early = next.due - performance.now()
      if (early > 0) {
        timer = setTimeout(run, early)
        return
      }
      waiting.shift()
      next.act()
      run()
    }
    return {
      run,
      push(act) {
        waiting.push({ due: Math.max(performance.now() + oneWay, earliest), act })
        if (waiting.length === 1) run()
      },
    }
  }

  const cutOff = (link: Link) => ({ left: options.cut?.afterBytes ?? Infinity, now: () => sever(link) })

  const server = createServer({ noDelay: true, allowHalfOpen: true }, accept)
  const { address, port } = await listen(server)
  return {
    address,
    port,
    get connections() {
      return connections
    },
    freeze() {
      frozen = true
    },
    thaw() {
      frozen = false
      for (const { lanes } of links) for (const lane of lanes) lane.run()
    },
    reset() {
      for (const link of links) sever(link)
    },
    async [Symbol.asyncDispose]() {
      frozen = true
      for (const { near, far } of links) for (const socket of [near, far]) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function relay(
  from: Socket,
  to: Socket,
  lane: Lane,
  cut: { left: number; now: () => void } | undefined,
): void {
  from.on('data', (piece) => {
    const passed = cut ? piece.subarray(0, cut.left) : piece
    if (cut) cut.left -= passed.length
    lane.push(() => {
      if (to.writable && !to.write(passed)) {
        from.pause()
        to.once('drain', () => from.resume())
      }
      // What was written goes out before the RST.
      if (cut?.left === 0) to.write('', cut.now)
    })
  })
  from.on('end', () => lane.push(() => to.end()))
  from.on('error', () => lane.push(() => to.resetAndDestroy()))
}

function sever({ near, far }: Link): void {
  near.resetAndDestroy()
  far.resetAndDestroy()
}

async function listen(server: Server): Promise<{ address: string; port: number }> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('the proxy has no port')
  return bound
}
