import { startJsonApi, type ApiAnswer, type ApiRequest, type JsonApi } from './json-api.ts'

export interface HostedZone {
  readonly id: string
  readonly name: string
  readonly private?: boolean
}

interface TxtSet {
  readonly ttl: number
  readonly values: readonly string[]
}

/** Route 53's REST API in XML: change batches that are done whole or not at all, and later INSYNC. */
export interface Route53Api extends JsonApi {
  readonly accessKeyId: string
  /** By full name with its dot: TXT in quotes. */
  readonly sets: Map<string, TxtSet>
  /** How often a change is PENDING when it is asked for. */
  pending: number
  /** Called whenever a change is asked for. */
  onPoll: () => void
}

export async function startRoute53Api(zones: readonly HostedZone[]): Promise<Route53Api> {
  const accessKeyId = 'AKIAIOSFODNN7EXAMPLE'
  const sets = new Map<string, TxtSet>()
  const polls = new Map<string, number>()

  /** Sorted by name, from a name on, and within it from an id on; never more than a page of 100. */
  function listZones(url: URL): ApiAnswer {
    const from = url.searchParams.get('dnsname') ?? ''
    const fromId = url.searchParams.get('hostedzoneid') ?? ''
    const sorted = zones.toSorted(
      (a, b) => reversed(a.name).localeCompare(reversed(b.name)) || (a.id < b.id ? -1 : 1),
    )
    const index = sorted.findIndex((each) => `${each.name}.` === from && each.id >= fromId)
    const rest = index < 0 ? [] : sorted.slice(index)
    const shown = rest.slice(0, 100).map(
      (
        zone,
      ) => `<HostedZone><Id>/hostedzone/${zone.id}</Id><Name>${zone.name}.</Name><CallerReference>r</CallerReference>
<Config><PrivateZone>${zone.private === true}</PrivateZone></Config></HostedZone>`,
    )
    const next = rest[100]
    const more = next
      ? `<NextDNSName>${next.name}.</NextDNSName><NextHostedZoneId>${next.id}</NextHostedZoneId>`
      : ''
    return xml(
      `<ListHostedZonesByNameResponse><HostedZones>${shown.join('')}</HostedZones><IsTruncated>${next !== undefined}</IsTruncated>${more}<MaxItems>100</MaxItems></ListHostedZonesByNameResponse>`,
    )
  }

  function listSets(url: URL): ApiAnswer {
    const from = url.searchParams.get('name') ?? ''
    const names = [...sets.keys()].toSorted((a, b) => reversed(a).localeCompare(reversed(b)))
    // Like the real one, it goes on with the next name when there is none of this.
    const name = names.find((each) => reversed(each).localeCompare(reversed(from)) >= 0)
    const set = name === undefined ? undefined : sets.get(name)
    const shown = set
      ? `<ResourceRecordSet><Name>${name}</Name><Type>TXT</Type>${setXml(set)}</ResourceRecordSet>`
      : ''
    return xml(
      `<ListResourceRecordSetsResponse><ResourceRecordSets>${shown}</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>1</MaxItems></ListResourceRecordSetsResponse>`,
    )
  }

  function change(text: string): ApiAnswer {
    const next = new Map(sets)
    for (const [, part = ''] of text.matchAll(/<Change>(.*?)<\/Change>/gs)) {
      const action = inside(part, 'Action')[0]
      const name = inside(part, 'Name')[0] ?? ''
      const set = { ttl: Number(inside(part, 'TTL')[0]), values: inside(part, 'Value').map(unescape) }
      const held = next.get(name)
      if (action === 'DELETE' && !held) return invalid(`Tried to delete ${name} TXT but it was not found`)
      if (action === 'DELETE' && JSON.stringify(held) !== JSON.stringify(set)) {
        return invalid(`Tried to delete ${name} TXT but the values provided do not match the current values`)
      }
      if (action === 'CREATE' && held) return invalid(`Tried to create ${name} TXT but it already exists`)
      if (action === 'DELETE') next.delete(name)
      else next.set(name, set)
    }
    sets.clear()
    for (const [name, set] of next) sets.set(name, set)
    const id = `C${polls.size + 1}`
    polls.set(id, 0)
    return xml(
      `<ChangeResourceRecordSetsResponse>${changeInfo(id, 'PENDING')}</ChangeResourceRecordSetsResponse>`,
    )
  }

  function answer({ method, url, headers, text }: ApiRequest): ApiAnswer {
    const credential = /Credential=([^/]+)\//.exec(headers.authorization ?? '')?.[1]
    if (credential !== accessKeyId) {
      const words = 'The security token included in the request is invalid.'
      return refuse(403, 'InvalidClientTokenId', words)
    }
    const [, , kind, id = '', part] = url.pathname.split('/')
    if (kind === 'hostedzonesbyname') return listZones(url)
    if (kind === 'change') {
      const asked = (polls.get(id) ?? 0) + 1
      polls.set(id, asked)
      api.onPoll()
      return xml(
        `<GetChangeResponse>${changeInfo(id, asked > api.pending ? 'INSYNC' : 'PENDING')}</GetChangeResponse>`,
      )
    }
    if (kind !== 'hostedzone' || part !== 'rrset' || !zones.some((zone) => zone.id === id)) {
      return refuse(404, 'NoSuchHostedZone', `No hosted zone found with ID: ${id}`)
    }
    return method === 'GET' ? listSets(url) : change(text)
  }

  const api: Route53Api = Object.assign(await startJsonApi(answer), {
    accessKeyId,
    sets,
    pending: 0,
    onPoll: () => undefined as void,
  })
  return api
}

function reversed(name: string): string {
  return name.split('.').filter(Boolean).toReversed().join('.')
}

function inside(text: string, tag: string): string[] {
  return [...text.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, 'gs'))].map(([, found = '']) => found)
}

function unescape(text: string): string {
  return text.replaceAll('&quot;', '"').replaceAll('&amp;', '&')
}

function setXml({ ttl, values }: TxtSet): string {
  const records = values.map(
    (each) =>
      `<ResourceRecord><Value>${each.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}</Value></ResourceRecord>`,
  )
  return `<TTL>${ttl}</TTL><ResourceRecords>${records.join('')}</ResourceRecords>`
}

function changeInfo(id: string, status: string): string {
  return `<ChangeInfo><Id>/change/${id}</Id><Status>${status}</Status><SubmittedAt>2026-11-23T12:00:00Z</SubmittedAt></ChangeInfo>`
}

function xml(body: string, status = 200): ApiAnswer {
  return { status, body: `<?xml version="1.0"?>\n${body}`, headers: { 'content-type': 'text/xml' } }
}

function refuse(status: number, code: string, message: string): ApiAnswer {
  return xml(
    `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>r</RequestId></ErrorResponse>`,
    status,
  )
}

function invalid(message: string): ApiAnswer {
  return refuse(400, 'InvalidChangeBatch', `[${message}]`)
}
