import type { Secret } from '../src/core/secret.ts'
import { apiUrl as checkUrl } from './api-url.ts'
import { createApi, unless, type Call } from './api.ts'
import type { Provider, TxtRecord } from './provider.ts'
import { createTurns } from './turns.ts'
import { relativeName, unquoteTxt } from './txt.ts'

export interface DigitalOceanSettings {
  readonly apiToken: Secret
  readonly apiUrl?: string | undefined
}

interface Page {
  readonly domain_records: readonly { readonly id: number; readonly name: string; readonly data: string }[]
  readonly links?: { readonly pages?: { readonly next?: string } }
}

const lowestTtl = 30
const perPage = 200

/** https://docs.digitalocean.com/reference/api/reference/domain-records/ */
export function digitalocean({
  apiToken,
  apiUrl = 'https://api.digitalocean.com',
}: DigitalOceanSettings): Provider {
  const api = createApi({
    service: 'DigitalOcean',
    url: checkUrl(apiUrl, { of: 'apiUrl of digitalocean' }),
    headers: { authorization: `Bearer ${apiToken.reveal()}` },
    credential: {
      what: 'the API token',
      hint: 'give apiToken a token with the scopes of domain (create, read, update, delete): https://cloud.digitalocean.com/account/api/tokens',
    },
  })
  const inTurn = createTurns()

  /** The ids of all records with this name and value. */
  async function find(call: Call, { zone, name, value }: TxtRecord): Promise<number[]> {
    const found: number[] = []
    const relative = relativeName({ name, zone }) || '@'
    for (let page = 1; ; page++) {
      const query = new URLSearchParams({ type: 'TXT', name, per_page: `${perPage}`, page: `${page}` })
      const { domain_records, links } = await call<Page>('GET', `${domain(zone)}/records?${query.toString()}`)
      const ours = domain_records.filter((each) => each.name === relative && unquoteTxt(each.data) === value)
      found.push(...ours.map(({ id }) => id))
      if (!links?.pages?.next) return found
    }
  }

  return {
    holdsZone: (zone, signal) =>
      api.run(`looking for the zone ${zone}`, signal, async (call) => {
        const found = await call<{ domain: { name: string } }>('GET', domain(zone)).catch(unless(404))
        return found?.domain.name === zone
      }),
    // It takes identical records: looked for first, and one call at a time.
    create: (record, signal) =>
      inTurn(record.name, () =>
        api.run(`adding TXT ${record.name}`, signal, async (call) => {
          if ((await find(call, record)).length > 0) return
          const name = relativeName(record) || '@'
          const body = { type: 'TXT', name, data: record.value, ttl: lowestTtl }
          await call('POST', `${domain(record.zone)}/records`, body)
        }),
      ),
    remove: (record, signal) =>
      inTurn(record.name, () =>
        api.run(`removing TXT ${record.name}`, signal, async (call) => {
          for (const id of await find(call, record)) {
            await call('DELETE', `${domain(record.zone)}/records/${id}`).catch(unless(404))
          }
        }),
      ),
  }
}

function domain(zone: string): string {
  return `/v2/domains/${encodeURIComponent(zone)}`
}
