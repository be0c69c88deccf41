import { addAbortListener } from 'node:events'
import type { Duplex } from 'node:stream'
import type { HostKeyAlgorithm } from '../known-hosts.ts'
import { type Reach, withStream } from './reach.ts'
import { algorithms } from './login.ts'
import { whyNoLogin } from './refusal.ts'

/**
 * The host key a hop shows when asked for one of these algorithms; undefined when it has none of them. The
 * handshake ends there: nobody is logged in.
 */
export async function scanKey(to: Reach, family: readonly HostKeyAlgorithm[]): Promise<Buffer | undefined> {
  const { Client } = (await import('ssh2')).default
  return withStream(to, (stream: Duplex) => {
    const client = new Client()
    const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>()
    const fail = (cause: Error) => {
      if (cause.message.includes('no matching host key')) resolve(undefined)
      else {
        const verifier = { accepts: () => false, refusal: () => undefined }
        const { aborted: interrupted } = to.signal
        reject(whyNoLogin(to.hop, { cause, verifier, keyed: false, interrupted, known: [] }))
      }
    }
    const abort = addAbortListener(to.signal, () => client.destroy())
    client
      .on('error', fail)
      .on('close', () => fail(new Error('it closed the connection')))
      .connect({
        sock: stream,
        username: 'nobody',
        authHandler: [],
        hostVerifier: (key: Buffer) => {
          resolve(Buffer.from(key))
          return false
        },
        algorithms: { ...algorithms, serverHostKey: [...family] },
        readyTimeout: to.timeouts.login,
      })
    return promise.finally(() => {
      abort[Symbol.dispose]()
      client.destroy()
      stream.destroy()
    })
  })
}
