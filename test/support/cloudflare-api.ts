import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** The part of Cloudflare's API v4 that TXT records need, as the real one answers it. */
export interface CloudflareApi extends AsyncDisposable {
  readonly url: string
  readonly token: string
  readonly records: ApiRecord[]
  /** `METHOD /path` of every request so far. */
  readonly requests: string[]
  /** Asked before each request is worked on; what it returns happens instead or after. */
  fault: (request: { method: string; path: string }) => Fault | undefined
}

export interface ApiRecord {
  readonly id: string
  readonly zone: string
  readonly type: string
  readonly name: string
  readonly content: string
}

export interface Fault {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Does the work first, then answers with the fault: a failure of unknown outcome. */
  readonly after?: true
  /** Closes the connection instead of any answer. */
  readonly cut?: true
}

export interface Zone {
  readonly id: string
  readonly name: string
  readonly status: string
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

export async function startCloudflareApi(zones: readonly Zone[]): Promise<CloudflareApi> {
  const records: ApiRecord[] = []
  const requests: string[] = []
  const token = 'token-of-the-lab-0123456789'
  let lastId = 0

  function work(method: string, url: URL, body: Record<string, string>): Answer {
    const [, , zoneId, kind, recordId] = url.pathname.replace('/client/v4', '').split('/')
    if (zoneId === undefined) {
      const name = url.searchParams.get('name')?.toLowerCase()
      return page(
        url,
        zones.filter((zone) => name === undefined || zone.name === name),
      )
    }
    if (!zones.some((zone) => zone.id === zoneId) || kind !== 'dns_records')
      return refuse(404, 7003, 'No route')
    if (method === 'POST') {
      const { type = '', name = '', content = '' } = body
      const same = (each: ApiRecord): boolean => each.name === name && each.content === content
      if (records.some((each) => each.zone === zoneId && same(each))) {
        return refuse(400, 81_058, 'An identical record already exists.')
      }
      const record = { id: `r${++lastId}`, zone: zoneId, type, name, content }
      records.push(record)
      return { status: 200, body: { success: true, errors: [], messages: [], result: record } }
    }
    if (method === 'DELETE') {
      const index = records.findIndex((each) => each.id === recordId)
      if (index < 0) return refuse(404, 81_044, 'Record does not exist.')
      records.splice(index, 1)
      return { status: 200, body: { success: true, errors: [], messages: [], result: { id: recordId } } }
    }
    const name = url.searchParams.get('name.exact')
    return page(
      url,
      records.filter((each) => each.zone === zoneId && (name === null || each.name === name)),
    )
  }

  const server = createServer((request, response) => void handle(request, response))
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = '', url: path = '' } = request
    requests.push(`${method} ${path}`)
    const fault = api.fault({ method, path })
    const given = Buffer.concat(chunks).toString()
    const authorized = request.headers.authorization === `Bearer ${token}`
    const answer =
      fault && !fault.after
        ? undefined
        : authorized
          ? work(method, new URL(path, api.url), given === '' ? {} : JSON.parse(given))
          : refuse(403, 10_000, 'Authentication error')
    if (fault?.cut) return void request.socket.destroy()
    response.writeHead(fault?.status ?? answer?.status ?? 500, {
      'content-type': 'application/json',
      ...fault?.headers,
    })
    response.end(fault ? (fault.body ?? '') : JSON.stringify(answer?.body))
  }
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const api: CloudflareApi = {
    url: `http://127.0.0.1:${port}/client/v4`,
    token,
    records,
    requests,
    fault: () => undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => void server.close(resolve))
    },
  }
  return api
}

/** Pages go on until an empty one, whatever `result_info` says: clients read it both ways. */
function page(url: URL, all: readonly object[]): Answer {
  const size = Number(url.searchParams.get('per_page') ?? 20)
  const number = Number(url.searchParams.get('page') ?? 1)
  const result = all.slice((number - 1) * size, number * size)
  const info = { page: number, per_page: size, count: result.length, total_count: all.length }
  return { status: 200, body: { success: true, errors: [], messages: [], result, result_info: info } }
}

function refuse(status: number, code: number, message: string): Answer {
  return { status, body: { success: false, errors: [{ code, message }], messages: [], result: null } }
}
