import { ConfigError } from '../src/core/errors.ts'
import type { Secret } from '../src/core/secret.ts'
import { apiUrl as checkUrl } from './api-url.ts'
import { createApi } from './api.ts'
import type { Provider, TxtRecord } from './provider.ts'

export interface WebhookSettings {
  /** Requests go to `URL/present` and `URL/cleanup`. */
  readonly url: string
  readonly username?: string | undefined
  readonly password?: Secret | undefined
  readonly zones?: readonly string[] | undefined
}

/**
 * The convention of lego's httpreq provider (its mode RAW is left out: the token is the order's business).
 * A request without an answer is sent again: the other side must take the same one twice.
 */
export function webhook({ url, username, password, zones }: WebhookSettings): Provider {
  if ((username === undefined) !== (password === undefined)) {
    throw new ConfigError('webhook wants username and password together, or neither')
  }
  const login = Buffer.from(`${username}:${password?.reveal()}`).toString('base64')
  const base = checkUrl(url, { of: 'url of webhook', inside: true })
  const api = createApi({
    service: new URL(base).host,
    url: base,
    mute: true,
    headers: password ? { authorization: `Basic ${login}` } : {},
    credential: {
      what: password ? `the login ${username}` : 'a request without a login',
      hint: 'compare username and password with what the webhook expects',
    },
  })

  const post = (what: string, path: string, { name, value }: TxtRecord, signal: AbortSignal) =>
    api.run(`${what} TXT ${name}`, signal, (call) => call('POST', path, { fqdn: `${name}.`, value }))

  return {
    holdsZone: async (zone) => zones?.includes(zone) ?? true,
    create: async (record, signal) => void (await post('adding', '/present', record, signal)),
    remove: async (record, signal) => void (await post('removing', '/cleanup', record, signal)),
  }
}
