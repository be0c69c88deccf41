import { setTimeout as sleep } from 'node:timers/promises'
import { ProviderError } from '../src/core/errors.ts'
import { printableLine } from '../src/core/printable.ts'
import type { Secret } from '../src/core/secret.ts'
import { apiUrl as checkUrl } from './api-url.ts'
import { createApi, unless, type Call } from './api.ts'
import type { Provider, TxtRecord } from './provider.ts'
import { createTurns } from './turns.ts'
import { quoteTxt, relativePath, unquoteTxt } from './txt.ts'

export interface HetznerSettings {
  readonly apiToken: Secret
  readonly apiUrl?: string | undefined
}

interface RecordSet {
  readonly rrset: { readonly records: readonly { readonly value: string }[] }
}

interface Started {
  readonly action: {
    readonly id: number
    readonly status: 'running' | 'success' | 'error'
    readonly error?: { readonly message?: string } | null
  }
}

const ttl = 60
const pollMs = 250

/** DNS of the Hetzner Cloud API: https://docs.hetzner.cloud/reference/cloud#tag/zone-rrset-actions */
export function hetzner({ apiToken, apiUrl = 'https://api.hetzner.cloud/v1' }: HetznerSettings): Provider {
  const api = createApi({
    service: 'Hetzner',
    url: checkUrl(apiUrl, { of: 'apiUrl of hetzner' }),
    headers: { authorization: `Bearer ${apiToken.reveal()}` },
    credential: {
      what: 'the API token',
      hint: "give apiToken a Read & Write token of the zone's project: https://console.hetzner.com (tokens of the former dns.hetzner.com do not work any more)",
    },
    // Another action changes the zone (409 conflict, 423 locked).
    passing: [409, 423],
  })
  const inTurn = createTurns()

  /** Values as the API shows them, undefined when there is no set. */
  async function read(call: Call, record: TxtRecord): Promise<string[] | undefined> {
    const set = await call<RecordSet>('GET', setPath(record)).catch(unless(404))
    return set?.rrset.records.map(({ value }) => value)
  }

  async function act(call: Call, record: TxtRecord, action: { name: string; body: object }): Promise<void> {
    let { action: state } = await call<Started>(
      'POST',
      `${setPath(record)}/actions/${action.name}`,
      action.body,
    )
    while (state.status === 'running') {
      await sleep(pollMs)
      state = (await call<Started>('GET', `/actions/${state.id}`)).action
    }
    if (state.status === 'success') return
    throw new ProviderError(
      `${action.name} for TXT ${record.name} at Hetzner failed: ${printableLine(state.error?.message ?? 'without a reason')}`,
    )
  }

  return {
    holdsZone: (zone, signal) =>
      api.run(`looking for the zone ${zone}`, signal, async (call) => {
        const path = `/zones/${encodeURIComponent(zone)}`
        const found = await call<{ zone: { name: string; mode: string } }>('GET', path).catch(unless(404))
        // A secondary zone is written at its primary.
        return found?.zone.name === zone && found.zone.mode === 'primary'
      }),
    create: (record, signal) =>
      inTurn(record.name, () =>
        api.run(`adding TXT ${record.name}`, signal, async (call) => {
          const held = await read(call, record)
          if (held?.some((each) => unquoteTxt(each) === record.value)) return
          const records = [{ value: quoteTxt(record.value) }]
          // A set that is there keeps its own TTL.
          await act(call, record, { name: 'add_records', body: held ? { records } : { records, ttl } })
        }),
      ),
    remove: (record, signal) =>
      inTurn(record.name, () =>
        api.run(`removing TXT ${record.name}`, signal, async (call) => {
          const ours = (await read(call, record))?.filter((each) => unquoteTxt(each) === record.value) ?? []
          if (ours.length === 0) return
          await act(call, record, {
            name: 'remove_records',
            body: { records: ours.map((value) => ({ value })) },
          })
        }),
      ),
  }
}

function setPath(record: TxtRecord): string {
  const name = relativePath(record)
  return `/zones/${encodeURIComponent(record.zone)}/rrsets/${name}/TXT`
}
