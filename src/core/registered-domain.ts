import { getDomain } from 'tldts'

/**
 * What CAs count by: the public suffix and one label more. The private part of the Public Suffix List counts too,
 * as it does at Let's Encrypt: every user of a shared domain is a registrant there.
 */
export function registeredDomains(names: readonly string[]): string[] {
  const bare = names.map((name) => name.replace(/^\*\./, ''))
  return [...new Set(bare.map((name) => getDomain(name, { allowPrivateDomains: true }) ?? name))]
}
