import { addAbortListener } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface DialOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** A TCP connection. A name is tried by all its addresses (RFC 8305). Throws net's error, or one by ETIMEDOUT. */
export async function dial(address: string, port: number, options: DialOptions): Promise<Socket> {
  const { timeoutMs, signal } = options
  signal?.throwIfAborted()
  const socket = connect({
    host: address,
    port,
    noDelay: true,
    // Node's 250 ms gives up addresses that are merely far away.
    autoSelectFamilyAttemptTimeout: 1_500,
  })
  const timer = setTimeout(() => socket.destroy(noAnswer()), timeoutMs)
  using _ = signal && addAbortListener(signal, () => socket.destroy(signal.reason as Error))
  try {
    await new Promise<void>((resolve, reject) => {
      // It stays: who is reset before its user listens is found destroyed, and must not end the process.
      socket.once('connect', resolve).on('error', reject)
    })
    return socket
  } finally {
    clearTimeout(timer)
  }
}

function noAnswer(): Error {
  return Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })
}
