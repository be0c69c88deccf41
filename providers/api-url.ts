import { isIPv4, isIPv6 } from 'node:net'
import { ConfigError } from '../src/core/errors.ts'

/** Where an API is, without a slash at the end. A credential goes there: see `apiUrl`. */
export interface ApiUrlRules {
  /** The setting, for messages: `apiUrl of cloudflare`. */
  readonly of: string
  /** Whether http is good enough for an address of a private network, where many run such a server. */
  readonly inside?: true
}

/** Only https, or http to this machine itself. Throws ConfigError. */
export function apiUrl(text: string, { of, inside }: ApiUrlRules): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const host = url?.hostname.replaceAll(/[[\]]/g, '') ?? ''
  const near = isLoopback(host) || (inside === true && isPrivate(host))
  const good = url?.protocol === 'https:' || (url?.protocol === 'http:' && near)
  if (good && url?.username === '' && url.search === '' && url.hash === '') return text.replace(/\/+$/, '')
  throw new ConfigError(`${of} is no https URL: ${JSON.stringify(withoutLogin(text))}`, {
    hint: inside
      ? 'use https; http only to this machine or to the IP address of a private network'
      : 'the credential would go there: use https',
  })
}

function withoutLogin(text: string): string {
  return text.replace(/\/\/[^/]*@/, '//')
}

function isLoopback(host: string): boolean {
  return host === '127.0.0.1' || host === '::1' || host === 'localhost'
}

/** RFC 1918, RFC 4193. A name may lead anywhere. */
function isPrivate(host: string): boolean {
  if (isIPv6(host)) return /^f[cd]/i.test(host)
  return isIPv4(host) && /^(10\.|127\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(host)
}
