import type { Secret } from '../src/core/secret.ts'
import { apiUrl as checkUrl } from './api-url.ts'
import { createApi, unless, type Call } from './api.ts'
import type { Provider } from './provider.ts'
import { changeRecordSets } from './record-sets.ts'
import { quoteTxt, relativeName, relativePath } from './txt.ts'

export interface DesecSettings {
  readonly apiToken: Secret
  readonly apiUrl?: string | undefined
}

interface RecordSet {
  readonly ttl: number
  readonly records: readonly string[]
}

/** Writes are limited to 15 a minute for a zone, and Retry-After says when the next one is taken. */
const deadlineMs = 180_000

/** https://desec.readthedocs.io/en/latest/dns/rrsets.html */
export function desec({ apiToken, apiUrl = 'https://desec.io/api/v1' }: DesecSettings): Provider {
  const api = createApi({
    service: 'deSEC',
    url: checkUrl(apiUrl, { of: 'apiUrl of desec' }),
    headers: { authorization: `Token ${apiToken.reveal()}` },
    credential: {
      what: 'the API token',
      hint: 'give apiToken a token whose policies let it write TXT in this zone: https://desec.io/tokens',
    },
    deadlineMs,
  })
  const lowestTtls = new Map<string, number>()

  async function lowestTtl(call: Call, zone: string): Promise<number | undefined> {
    const known = lowestTtls.get(zone)
    if (known !== undefined) return known
    const path = `/domains/${encodeURIComponent(zone)}/`
    const found = await call<{ name: string; minimum_ttl: number }>('GET', path).catch(unless(404))
    if (found?.name !== zone) return undefined
    lowestTtls.set(zone, found.minimum_ttl)
    return found.minimum_ttl
  }

  return {
    holdsZone: (zone, signal) =>
      api.run(
        `looking for the zone ${zone}`,
        signal,
        async (call) => (await lowestTtl(call, zone)) !== undefined,
      ),
    ...changeRecordSets<Call, string>(api, {
      async read(call, record) {
        const name = relativePath(record)
        const path = `${setsPath(record.zone)}${name}/TXT/`
        const set = await call<RecordSet>('GET', path).catch(unless(404))
        return { entries: set?.records ?? [], ttl: set?.ttl }
      },
      async write(call, record, { after: { entries: records, ttl: kept } }) {
        const subname = relativeName(record)
        const ttl = kept ?? (await lowestTtl(call, record.zone)) ?? 3600
        // In bulk form, PUT makes, replaces and (without records) deletes a set.
        await call('PUT', setsPath(record.zone), [{ subname, type: 'TXT', ttl, records }])
      },
      data: (entry) => entry,
      entry: quoteTxt,
      // Its limits are for each zone: side by side, calls would only collect refusals.
      turn: ({ zone }) => zone,
    }),
  }
}

function setsPath(zone: string): string {
  return `/domains/${encodeURIComponent(zone)}/rrsets/`
}
