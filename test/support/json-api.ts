import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What an API of a test is asked, and answers. */
export interface ApiRequest {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingHttpHeaders
  /** As it came. */
  readonly text: string
  /** The same as JSON; undefined when there is none. */
  readonly body: never
}

export interface ApiAnswer {
  readonly status: number
  /** A text is sent as it is, anything else as JSON. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface ApiFault extends Partial<ApiAnswer> {
  /** Does the work first, then answers with the fault: a failure of unknown outcome. */
  readonly after?: true
  /** Closes the connection instead of any answer. */
  readonly cut?: true
  /** Never answers. */
  readonly hang?: true
}

export interface JsonApi extends AsyncDisposable {
  readonly url: string
  /** `METHOD /path?query` of every request so far. */
  readonly requests: string[]
  /** Asked before each request is worked on; what it returns happens instead or after. */
  fault: (request: ApiRequest) => ApiFault | undefined
}

/** An HTTP API on loopback, kept by the function that answers. */
export async function startJsonApi(
  answer: (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>,
): Promise<JsonApi> {
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const text = Buffer.concat(await incoming.toArray()).toString()
      const { method = '', url = '', headers } = incoming
      api.requests.push(`${method} ${url}`)
      const body = (headers['content-type'] === 'application/json' ? JSON.parse(text) : undefined) as never
      const request = { method, url: new URL(url, api.url), headers, text, body }
      const fault = api.fault(request)
      const worked = fault && !fault.after ? { status: 500 } : await answer(request)
      if (fault?.hang) return
      if (fault?.cut) return void incoming.socket.destroy()
      const said: ApiAnswer = fault ? { status: 500, ...fault } : worked
      const plain = typeof said.body === 'string'
      outgoing.writeHead(said.status, {
        'content-type': plain ? 'text/plain' : 'application/json',
        ...said.headers,
      })
      outgoing.end(plain ? said.body : said.body === undefined ? '' : JSON.stringify(said.body))
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const api: JsonApi = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    fault: () => undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => void server.close(resolve))
    },
  }
  return api
}
