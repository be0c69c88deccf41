import type { Secret } from '../src/core/secret.ts'
import { apiUrl as checkUrl } from './api-url.ts'
import { createApi, unless, type Call } from './api.ts'
import type { Provider } from './provider.ts'
import { changeRecordSets } from './record-sets.ts'
import { quoteTxt } from './txt.ts'

export interface PowerDnsSettings {
  readonly apiUrl: string
  readonly apiKey: Secret
  /** The server's id in its own API. */
  readonly server?: string | undefined
}

interface Zone {
  readonly kind: string
  readonly rrsets: readonly RecordSet[]
}

interface RecordSet {
  readonly name: string
  readonly type: string
  readonly ttl: number
  readonly records: readonly Entry[]
}

interface Entry {
  readonly content: string
  /** In the database, but not served. */
  readonly disabled: boolean
}

const newTtl = 60
/** PowerDNS follows another server for these; from 4.5 on it says Secondary. */
const following = ['Slave', 'Secondary', 'Consumer']

/** The authoritative server's HTTP API: https://doc.powerdns.com/authoritative/http-api/zone.html */
export function powerdns({ apiUrl, apiKey, server = 'localhost' }: PowerDnsSettings): Provider {
  const url = checkUrl(apiUrl, { of: 'apiUrl of powerdns', inside: true }).replace(/\/api(\/v1)?$/, '')
  const api = createApi({
    service: `PowerDNS (${new URL(url).host})`,
    url: `${url}/api/v1/servers/${encodeURIComponent(server)}`,
    headers: { 'x-api-key': apiKey.reveal() },
    credential: {
      what: 'the API key',
      hint: 'compare apiKey with api-key, and this machine with webserver-allow-from, in pdns.conf',
    },
  })

  return {
    holdsZone: (zone, signal) =>
      api.run(`looking for the zone ${zone}`, signal, async (call) => {
        // 4.x answers 422 for a name that it does not take for a zone's.
        const found = await call<Zone>('GET', `${zonePath(zone)}?rrsets=false`).catch(unless(404, 422))
        return found !== undefined && !following.includes(found.kind)
      }),
    ...changeRecordSets<Call, Entry>(api, {
      async read(call, { zone, name }) {
        const query = new URLSearchParams({ rrset_name: `${name}.`, rrset_type: 'TXT' })
        const { rrsets } = await call<Zone>('GET', `${zonePath(zone)}?${query.toString()}`)
        // The whole zone would cost megabytes for each challenge. The price: 4.7 leaves disabled records out here,
        // so that one at this very name is not written back. Before 4.6 there is no filter, and all come.
        const set = rrsets.find((each) => each.type === 'TXT' && each.name.toLowerCase() === `${name}.`)
        return { entries: set?.records ?? [], ttl: set?.ttl }
      },
      async write(call, { zone, name }, { after: { entries: records, ttl = newTtl } }) {
        const set = { name: `${name}.`, type: 'TXT' }
        const change =
          records.length === 0 ? { changetype: 'DELETE' } : { changetype: 'REPLACE', ttl, records }
        await call('PATCH', zonePath(zone), { rrsets: [{ ...set, ...change }] })
        // Tells the secondaries at once. A zone without any is refused, and PowerDNS looks itself each minute.
        await call('PUT', `${zonePath(zone)}/notify`).catch(unless(400, 404, 422, 500))
      },
      data: (entry) => (entry.disabled ? '' : entry.content),
      entry: (value) => ({ content: quoteTxt(value), disabled: false }),
    }),
  }
}

function zonePath(zone: string): string {
  return `/zones/${encodeURIComponent(`${zone}.`)}`
}
