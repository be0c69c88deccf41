import { BaseRecords } from 'cloudflare/resources/dns/records'
import { BaseZones } from 'cloudflare/resources/zones/zones'
import { createClient } from 'cloudflare/tree-shakable'
import { ProviderError } from '../src/core/errors.ts'
import type { Secret } from '../src/core/secret.ts'
import { apiUrl as checkUrl } from './api-url.ts'
import { again, asProviderError, tokenHint, unless } from './cloudflare-errors.ts'
import type { Provider, TxtRecord } from './provider.ts'
import { retry } from './retry.ts'
import { quoteTxt, unquoteTxt } from './txt.ts'

export interface CloudflareSettings {
  readonly apiToken: Secret
  readonly apiUrl?: string | undefined
}

const deadlineMs = 60_000
const requestMs = 15_000
const identicalRecordExists = 81_058
const recordDoesNotExist = 81_044

export function cloudflare({
  apiToken,
  apiUrl = 'https://api.cloudflare.com/client/v4',
}: CloudflareSettings): Provider {
  const client = createClient({
    resources: [BaseZones, BaseRecords],
    apiToken: apiToken.reveal(),
    baseURL: checkUrl(apiUrl, { of: 'apiUrl of cloudflare' }),
    timeout: requestMs,
    maxRetries: 0,
    logLevel: 'off',
    fetchOptions: { redirect: 'error' },
    // Left out, these would come from CLOUDFLARE_* variables of the environment.
    apiKey: null,
    apiEmail: null,
    userServiceKey: null,
  })
  const zoneIds = new Map<string, string>()

  async function zoneId(zone: string, signal: AbortSignal): Promise<string | undefined> {
    const known = zoneIds.get(zone)
    if (known) return known
    for await (const { id, name, status } of client.zones.list({ name: zone, per_page: 50 }, { signal })) {
      // A zone of the same name that is not active (moved, pending) is not what the public DNS sees.
      if (name !== zone || status !== 'active') continue
      zoneIds.set(zone, id)
      return id
    }
    return undefined
  }

  async function heldZoneId(zone: string, signal: AbortSignal): Promise<string> {
    const id = await zoneId(zone, signal)
    if (id) return id
    throw new ProviderError(`the API token sees no active zone ${zone} at Cloudflare`, {
      hint: tokenHint(zone),
    })
  }

  /** The API's content filter ignores case, and values come in quotes or without: compared here. */
  async function find({ zone, name, value }: TxtRecord, signal: AbortSignal): Promise<string | undefined> {
    const query = {
      zone_id: await heldZoneId(zone, signal),
      type: 'TXT',
      name: { exact: name },
      per_page: 100,
    } as const
    for await (const record of client.dns.records.list(query, { signal })) {
      if (record.type === 'TXT' && record.name === name && unquoteTxt(record.content ?? '') === value)
        return record.id
    }
    return undefined
  }

  async function call<T>(
    what: string,
    { zone, signal }: { zone: string; signal: AbortSignal },
    operation: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    try {
      return await retry(operation, { signal, deadlineMs, again })
    } catch (failure) {
      signal.throwIfAborted()
      if (failure instanceof ProviderError) throw failure
      throw asProviderError(`${what} at Cloudflare failed`, zone, failure)
    }
  }

  return {
    holdsZone: (zone, signal) =>
      call(
        `looking for the zone ${zone}`,
        { zone, signal },
        async (each) => (await zoneId(zone, each)) !== undefined,
      ),
    create(record, signal) {
      const { zone, name, value } = record
      let sent = false
      return call(`adding TXT ${name}`, { zone, signal }, async (each) => {
        const zone_id = await heldZoneId(zone, each)
        // An earlier try that ended without an answer may have come through.
        if (sent && (await find(record, each))) return
        sent = true
        const body = { zone_id, type: 'TXT', name, content: quoteTxt(value), ttl: 60 } as const
        await client.dns.records.create(body, { signal: each }).catch(unless(identicalRecordExists))
      })
    },
    remove(record, signal) {
      const { zone, name } = record
      return call(`removing TXT ${name}`, { zone, signal }, async (each) => {
        const id = await find(record, each)
        if (!id) return
        const zone_id = await heldZoneId(zone, each)
        await client.dns.records.delete(id, { zone_id }, { signal: each }).catch(unless(recordDoesNotExist))
      })
    },
  }
}
