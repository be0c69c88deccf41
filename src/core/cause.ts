import { printableLine } from './printable.ts'

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection closed',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to it',
  ENETUNREACH: 'no route to its network',
  EHOSTDOWN: 'it is down',
  ENOTFOUND: 'its name does not resolve',
  EAI_AGAIN: 'the resolver does not answer',
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ERR_SSL_WRONG_VERSION_NUMBER: 'no TLS is spoken there',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'no TLS is spoken there',
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: 'it serves nothing by this name',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'it speaks neither TLS 1.2 nor 1.3',
}

/** Why something failed, in a few words and on one line. */
export function causeOf(error: unknown): string {
  // A name with several addresses fails with one error for each, and an empty message (net.connect).
  if (error instanceof AggregateError && error.errors.length > 0) return causeOf(error.errors[0])
  if (!(error instanceof Error)) return printableLine(String(error))
  const { code } = error as NodeJS.ErrnoException
  return (typeof code === 'string' ? words[code] : undefined) ?? printableLine(error.message || String(code))
}
