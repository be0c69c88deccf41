import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

/** A DNS server that says whatever a test wants, over UDP and TCP at one port of loopback. */
export interface ScriptedDns extends AsyncDisposable {
  readonly port: number
  /** `192.0.2.53:53` as the configuration's `resolvers` has it. */
  readonly server: string
  /** Requests so far, as they came. */
  readonly requests: { readonly by: 'udp' | 'tcp'; readonly bytes: Buffer }[]
}

/** What is sent back, one datagram each; over TCP the first, with its length. `cut` closes the connection. */
export type Script = (request: Buffer, by: 'udp' | 'tcp') => readonly Buffer[] | 'cut'

export async function startScriptedDns(script: Script): Promise<ScriptedDns> {
  const requests: ScriptedDns['requests'] = []
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (data) => {
      const bytes = data.subarray(2)
      requests.push({ by: 'tcp', bytes })
      const said = script(Buffer.from(bytes), 'tcp')
      if (said === 'cut' || said[0] === undefined) return void socket.destroy()
      const length = Buffer.alloc(2)
      length.writeUInt16BE(said[0].length)
      return void socket.end(Buffer.concat([length, said[0]]))
    })
  })
  await new Promise<void>((resolve) => void tcp.listen(0, '127.0.0.1', resolve))
  const address = tcp.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const udp = createSocket('udp4')
  udp.on('message', (bytes, from) => {
    requests.push({ by: 'udp', bytes })
    const said = script(Buffer.from(bytes), 'udp')
    for (const message of said === 'cut' ? [] : said) udp.send(message, from.port, from.address)
  })
  await new Promise<void>((resolve) => void udp.bind(port, '127.0.0.1', resolve))
  return {
    port,
    server: `127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => void udp.close(resolve))
      await new Promise((resolve) => void tcp.close(resolve))
    },
  }
}

/** Flag bits for `answerTo`. */
export const authoritativeAnswer = 0x400
export const truncatedAnswer = 0x200

/** The request's own id and question with these flags and answer records in wire form. */
export function answerTo(request: Buffer, flags: number, answers: readonly Buffer[] = []): Buffer {
  const questionEnd = request.indexOf(0, 12) + 5
  const message = Buffer.concat([request.subarray(0, questionEnd), ...answers])
  message.writeUInt16BE(0x8000 | flags, 2)
  message.writeUInt16BE(answers.length, 6)
  message.writeUInt16BE(0, 8)
  message.writeUInt16BE(0, 10)
  return message
}
