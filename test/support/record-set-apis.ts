import { startJsonApi, type ApiAnswer, type ApiRequest, type JsonApi } from './json-api.ts'

export interface RecordSetApi extends JsonApi {
  readonly token: string
  /** By name relative to the zone, `@` for its own: TXT in presentation format. */
  readonly sets: Map<string, { ttl: number; records: readonly string[] }>
}

/** Record sets of deSEC: bulk PUT, a lowest TTL for each zone, paths that end in a slash. */
export async function startDesecApi(zone: string, lowestTtl: number): Promise<RecordSetApi> {
  const token = 'desec-token-0123456789abcdef'
  const sets: RecordSetApi['sets'] = new Map()

  function put(given: readonly { subname: string; ttl: number; records: string[] }[]): ApiAnswer {
    const errors = given.map(({ ttl, records }) => {
      if (ttl < lowestTtl) return { ttl: [`Ensure this value is greater than or equal to ${lowestTtl}.`] }
      return records.every((each) => /^".*"$/.test(each)) ? {} : { records: ['TXT wants quotes'] }
    })
    if (errors.some((each) => Object.keys(each).length > 0)) return { status: 400, body: errors }
    for (const { subname, ttl, records } of given) {
      if (records.length === 0) sets.delete(subname || '@')
      else sets.set(subname || '@', { ttl, records })
    }
    return { status: 200, body: given }
  }

  function answer({ method, url, headers, body }: ApiRequest): ApiAnswer {
    if (headers.authorization !== `Token ${token}`) return { status: 401, body: { detail: 'Invalid token.' } }
    const [, , , , domain, kind, name = '', type] = url.pathname.split('/')
    if (!url.pathname.endsWith('/')) return { status: 301, headers: { location: `${url.pathname}/` } }
    if (domain !== zone) return { status: 404, body: { detail: 'Not found.' } }
    if (kind === '') return { status: 200, body: { name: zone, minimum_ttl: lowestTtl } }
    if (method === 'PUT') return put(body)
    const set = sets.get(name)
    if (!set || type !== 'TXT') return { status: 404, body: { detail: 'Not found.' } }
    return { status: 200, body: { domain: zone, subname: name, type, ...set } }
  }

  return Object.assign(await startJsonApi(answer), { token, sets })
}

/** Record sets of Gandi LiveDNS: PUT replaces, a TTL below 300 is refused. */
export async function startGandiApi(zone: string): Promise<RecordSetApi> {
  const token = 'pat_0123456789abcdefghij'
  const sets: RecordSetApi['sets'] = new Map()
  const refuse = (code: number, cause: string, message: string): ApiAnswer => ({
    status: code,
    body: { code, cause, message, object: 'LiveDNS' },
  })

  function answer({ method, url, headers, body }: ApiRequest): ApiAnswer {
    if (headers.authorization !== `Bearer ${token}`) {
      return refuse(
        401,
        'Unauthorized',
        'The server could not verify that you authorized to access the document',
      )
    }
    const [, , , , domain, kind, name = '', type] = url.pathname.split('/')
    if (domain !== zone) return refuse(404, 'Not Found', `Unknown domain ${domain}`)
    if (kind === undefined) return { status: 200, body: { fqdn: zone } }
    if (type !== 'TXT') return refuse(404, 'Not Found', 'The resource could not be found.')
    if (method === 'PUT') {
      const given = body as { rrset_ttl: number; rrset_values: string[] }
      if (given.rrset_ttl < 300) return refuse(400, 'Bad Request', 'rrset_ttl must be at least 300')
      sets.set(name, { ttl: given.rrset_ttl, records: given.rrset_values })
      return { status: 201, body: { message: 'DNS Record Created' } }
    }
    const set = sets.get(name)
    if (!set) return refuse(404, 'Not Found', "Can't find the DNS record")
    if (method === 'DELETE') {
      sets.delete(name)
      return { status: 204 }
    }
    const shown = { rrset_name: name, rrset_type: 'TXT', rrset_ttl: set.ttl, rrset_values: set.records }
    return { status: 200, body: shown }
  }

  return Object.assign(await startJsonApi(answer), { token, sets })
}
