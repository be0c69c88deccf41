import { domainToASCII } from 'node:url'
import { ConfigError } from './errors.ts'

/** What `_acme-challenge.` leaves of the 253 bytes of a DNS name (RFC 1035 section 2.3.4, RFC 8555 section 8.4). */
const longestName = 253 - '_acme-challenge.'.length
const label = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/

/**
 * A DNS name as a person writes it, in the one form that is used everywhere: lower-case ASCII, IDN as A-labels
 * (RFC 5891), no trailing dot, a wildcard only as the whole first label. Throws ConfigError saying what is wrong.
 */
export function normalizeName(text: string): string {
  const fail = (cause: string, hint?: string): never => {
    throw new ConfigError(`can't use ${JSON.stringify(text.slice(0, 300))} as a DNS name: ${cause}`, { hint })
  }
  if (text.length > 1_000) fail('it is longer than 253 bytes')
  if (/[/:@?#%\\\s]/.test(text)) fail('it is not a bare name', 'leave out scheme, port and path')
  const wildcard = text.startsWith('*.')
  const rest = (wildcard ? text.slice(2) : text).replace(/[.\u3002\uFF0E\uFF61]$/u, '')
  if (rest === '') fail('it is empty')
  if (rest.includes('*')) fail('a wildcard stands only for the whole first label, as *.example.com')

  const name = toAscii(rest)
  if (name === '') fail('it is no valid internationalized name')
  const labels = name.split('.')
  for (const part of labels) {
    if (part === '') fail('it has an empty label')
    if (part.length > 63) fail(`the label ${part.slice(0, 20)}… is longer than 63 bytes`)
    if (!label.test(part))
      fail(`the label ${JSON.stringify(part)} has other characters than a-z, 0-9 and inner hyphens`)
  }
  if (/^\d+$/.test(labels.at(-1) ?? '')) fail('it is an IP address or ends in a number')
  if (name.length > longestName) {
    fail(`it is ${name.length} bytes long, and _acme-challenge. before it leaves room for ${longestName}`)
  }
  return wildcard ? `*.${name}` : name
}

/** Empty when it can't be converted. Plain names stay as they are: the URL rules would rewrite `1.2.3`. */
function toAscii(name: string): string {
  const lower = name.toLowerCase()
  const plain = /^\p{ASCII}*$/u.test(lower)
  if (plain && !/(^|\.)xn--/.test(lower)) return lower
  const ascii = domainToASCII(name)
  return plain && ascii !== lower ? '' : ascii
}
