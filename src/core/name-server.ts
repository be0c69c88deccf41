import { isIP } from 'node:net'
import { ConfigError } from './errors.ts'

/** Where DNS is asked. `address` is an IP address, or a host name where the reader allows one. */
export interface NameServer {
  readonly address: string
  readonly port: number
}

/**
 * Reads `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53`, `[2001:db8::53]:5353`, `ns1.example.com:53`.
 * Throws ConfigError that quotes the text.
 */
export function parseNameServer(text: string, defaultPort = 53): NameServer {
  if (isIP(text)) return { address: text, port: defaultPort }
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9_.-]+))(?::(\d{1,5}))?$/.exec(text)
  const [, bracketed, plain, digits] = match ?? []
  const address = bracketed ?? plain
  const port = digits === undefined ? defaultPort : Number(digits)
  if (!address || (bracketed && !isIP(bracketed)) || port < 1 || port > 65_535) {
    throw new ConfigError(`no name server: ${JSON.stringify(text)}`, {
      hint: 'write it as 192.0.2.53, 192.0.2.53:53, [2001:db8::53]:53 or ns1.example.com',
    })
  }
  return { address, port }
}

export function showNameServer({ address, port }: NameServer): string {
  if (port === 53) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
