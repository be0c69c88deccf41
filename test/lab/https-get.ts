import { request } from 'node:https'
import type { TLSSocket } from 'node:tls'

export interface Got {
  readonly status: number
  readonly type: string
  readonly body: Buffer
  /** Of the leaf, upper-case hex. */
  readonly serial: string
}

export interface GetOptions {
  /** Where to connect to, whatever the DNS says. */
  readonly address: string
  /** PEM of the only roots trusted; without it the certificate is not looked at. */
  readonly roots?: string
}

/** Fetches as a browser would through one node: rejects with what the browser would say. */
export async function get(url: string, { address, roots }: GetOptions): Promise<Got> {
  const { hostname, pathname } = new URL(url)
  const verification = roots === undefined ? { rejectUnauthorized: false } : { ca: roots }
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: address,
        port: 443,
        path: pathname,
        servername: hostname,
        agent: false,
        timeout: 5000,
        ...verification,
      },
      (response) => {
        const chunks: Buffer[] = []
        const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate()
        response.on('data', (chunk: Buffer) => void chunks.push(chunk)).on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers['content-type'] ?? '',
            body: Buffer.concat(chunks),
            serial: serialNumber,
          }),
        )
      },
    )
    sent.setHeader('Host', hostname)
    sent.once('timeout', () => sent.destroy(new Error(`no answer from ${address} within 5 s`)))
    sent.once('error', reject).end()
  })
}
