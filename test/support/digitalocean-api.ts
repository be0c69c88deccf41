import { startJsonApi, type ApiAnswer, type ApiRequest, type JsonApi } from './json-api.ts'

interface DomainRecord {
  readonly id: number
  readonly type: string
  readonly name: string
  readonly data: string
  readonly ttl: number
}

/** Domain records of DigitalOcean's API v2, as its OpenAPI description says. */
export interface DigitalOceanApi extends JsonApi {
  readonly token: string
  readonly records: DomainRecord[]
  add(name: string, data: string): void
}

export async function startDigitalOceanApi(zone: string): Promise<DigitalOceanApi> {
  const token = 'dop_v1_0123456789abcdef'
  const records: DomainRecord[] = []
  let lastId = 28_448_428

  function add(name: string, data: string, type = 'TXT', ttl = 1800): DomainRecord {
    const record = { id: ++lastId, type, name, data, ttl }
    records.push(record)
    return record
  }

  function page(url: URL, all: readonly DomainRecord[]): ApiAnswer {
    const size = Number(url.searchParams.get('per_page') ?? 20)
    const number = Number(url.searchParams.get('page') ?? 1)
    if (size > 200) return refuse(422, 'per_page must be less than or equal to 200')
    const shown = all.slice((number - 1) * size, number * size)
    const next = number * size < all.length ? { next: `${api.url}${url.pathname}?page=${number + 1}` } : {}
    return {
      status: 200,
      body: { domain_records: shown, links: { pages: next }, meta: { total: all.length } },
    }
  }

  function answer({ method, url, headers, body }: ApiRequest): ApiAnswer {
    if (headers.authorization !== `Bearer ${token}`) return refuse(401, 'Unable to authenticate you')
    const [, , , domain, kind, id] = url.pathname.split('/')
    if (domain !== zone) return refuse(404, 'The resource you were accessing could not be found.')
    if (kind === undefined) return { status: 200, body: { domain: { name: zone, ttl: 1800 } } }
    if (method === 'GET') {
      const name = url.searchParams.get('name')
      const type = url.searchParams.get('type')
      const fits = (each: DomainRecord) =>
        (type === null || each.type === type) && (name === null || fqdn(each.name) === name)
      return page(url, records.filter(fits))
    }
    if (method === 'POST') {
      const given = body as { type: string; name: string; data: string; ttl: number }
      if (given.ttl < 30) return refuse(422, 'ttl must be greater than or equal to 30')
      return { status: 201, body: { domain_record: add(given.name, given.data, given.type, given.ttl) } }
    }
    const index = records.findIndex((each) => each.id === Number(id))
    if (index < 0) return refuse(404, 'The resource you were accessing could not be found.')
    records.splice(index, 1)
    return { status: 204 }
  }

  function fqdn(name: string): string {
    return name === '@' ? zone : `${name}.${zone}`
  }

  const api = await startJsonApi(answer)
  return Object.assign(api, { token, records, add: (name: string, data: string) => void add(name, data) })
}

function refuse(status: number, message: string): ApiAnswer {
  return { status, body: { id: 'refused', message } }
}
