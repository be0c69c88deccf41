import type { Secret } from '../src/core/secret.ts'
import { apiUrl as checkUrl } from './api-url.ts'
import { createApi, unless, type Call } from './api.ts'
import type { Provider, TxtRecord } from './provider.ts'
import { changeRecordSets } from './record-sets.ts'
import { quoteTxt, relativePath } from './txt.ts'

export interface GandiSettings {
  readonly accessToken: Secret
  readonly apiUrl?: string | undefined
}

interface RecordSet {
  readonly rrset_values: readonly string[]
  readonly rrset_ttl: number
}

const lowestTtl = 300

/** LiveDNS: https://api.gandi.net/docs/livedns/ */
export function gandi({ accessToken, apiUrl = 'https://api.gandi.net/v5/livedns' }: GandiSettings): Provider {
  const api = createApi({
    service: 'Gandi',
    url: checkUrl(apiUrl, { of: 'apiUrl of gandi' }),
    headers: { authorization: `Bearer ${accessToken.reveal()}` },
    credential: {
      what: 'the personal access token',
      hint: 'give accessToken a personal access token that may manage the technical configurations of this domain: https://admin.gandi.net/organizations/account/pat',
    },
  })

  return {
    holdsZone: (zone, signal) =>
      api.run(`looking for the zone ${zone}`, signal, async (call) => {
        const found = await call<{ fqdn: string }>('GET', `/domains/${encodeURIComponent(zone)}`).catch(
          unless(404),
        )
        return found?.fqdn === zone
      }),
    ...changeRecordSets<Call, string>(api, {
      async read(call, record) {
        const set = await call<RecordSet>('GET', setPath(record)).catch(unless(404))
        return { entries: set?.rrset_values ?? [], ttl: set?.rrset_ttl }
      },
      async write(call, record, { after: { entries, ttl = lowestTtl } }) {
        if (entries.length === 0) await call('DELETE', setPath(record)).catch(unless(404))
        else await call('PUT', setPath(record), { rrset_values: entries, rrset_ttl: ttl })
      },
      data: (entry) => entry,
      entry: quoteTxt,
    }),
  }
}

function setPath(record: TxtRecord): string {
  const name = relativePath(record)
  return `/domains/${encodeURIComponent(record.zone)}/records/${name}/TXT`
}
