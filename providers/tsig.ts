import { createHmac, timingSafeEqual } from 'node:crypto'
import { encodeName, encodeRecord, uint16 } from '../src/core/dns-encoding.ts'
import { recordClasses, type DnsMessage } from '../src/core/dns-message.ts'
import type { Secret } from '../src/core/secret.ts'

/** TSIG (RFC 8945): a message and its answer are authenticated by a key that both sides share. */
export interface TsigKey {
  readonly name: string
  readonly algorithm: TsigAlgorithm
  /** base64 */
  readonly secret: Secret
}

/** SHA-1 and MD5 are not offered: RFC 8945 section 6 discourages them, and every server knows these. */
export const tsigAlgorithms = ['hmac-sha256', 'hmac-sha384', 'hmac-sha512'] as const
export type TsigAlgorithm = (typeof tsigAlgorithms)[number]

export interface Signed {
  readonly message: Buffer
  /** Goes into the answer's digest. */
  readonly mac: Buffer
}

/** What the answer's TSIG record says, or why it can't be trusted. */
export type Verdict =
  | { readonly kind: 'verified' }
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'forged' }
  /** The server could not verify us (section 5.3.2); it answers then without a usable signature. */
  | {
      readonly kind: 'refused'
      readonly error: 'BADSIG' | 'BADKEY' | 'BADTIME' | 'BADTRUNC'
      readonly serverTime: number | undefined
    }

const errors: Readonly<Record<number, (Verdict & { kind: 'refused' })['error']>> = {
  16: 'BADSIG',
  17: 'BADKEY',
  18: 'BADTIME',
  22: 'BADTRUNC',
}
const fudgeSeconds = 300

/** `now` in seconds since 1970. */
export function sign(message: Buffer, key: TsigKey, now: number): Signed {
  const times = Buffer.concat([uint48(now), uint16(fudgeSeconds)])
  const mac = digest(key, [message, variables(key, times, uint16(0, 0))])
  const id = message.readUInt16BE(0)
  const data = Buffer.concat([encodeName(key.algorithm), times, uint16(mac.length), mac, uint16(id, 0, 0)])
  const record = encodeRecord({ name: key.name, type: 'TSIG', class: recordClasses.ANY, ttl: 0, data })
  const signed = Buffer.concat([message, record])
  signed.writeUInt16BE(message.readUInt16BE(10) + 1, 10)
  return { message: signed, mac }
}

/** `bytes` are those that `answer` was decoded from; `requestMac` is what `sign` gave. */
export function verify(
  { bytes, answer, requestMac }: { bytes: Buffer; answer: DnsMessage; requestMac: Buffer },
  key: TsigKey,
  now: number,
): Verdict {
  const record = answer.additionals.at(-1)
  if (record?.type !== 'TSIG') return { kind: 'unsigned' }
  const tsig = readTsig(Buffer.from(record.data), key)
  if (!tsig || record.name !== key.name.toLowerCase()) return { kind: 'forged' }
  const { times, mac, id, tail } = tsig
  const error = errors[tail.readUInt16BE(0)]
  if (error) {
    return { kind: 'refused', error, serverTime: tail.length === 10 ? tail.readUIntBE(4, 6) : undefined }
  }
  // The digest is over the message as it was before the TSIG record was added.
  const message = Buffer.from(bytes.subarray(0, record.offset))
  message.writeUInt16BE(id, 0)
  message.writeUInt16BE(answer.additionals.length - 1, 10)
  const wanted = digest(key, [uint16(requestMac.length), requestMac, message, variables(key, times, tail)])
  const inTime = Math.abs(times.readUIntBE(0, 6) - now) <= times.readUInt16BE(6)
  const verified = inTime && mac.length === wanted.length && timingSafeEqual(mac, wanted)
  return { kind: verified ? 'verified' : 'forged' }
}

/** The record's data (section 4.2); undefined when it is of another algorithm or torn. */
function readTsig(
  data: Buffer,
  key: TsigKey,
): { times: Buffer; mac: Buffer; id: number; tail: Buffer } | undefined {
  const algorithm = encodeName(key.algorithm)
  const rest = data.subarray(algorithm.length)
  const macEnd = rest.length < 10 ? 0 : 10 + rest.readUInt16BE(8)
  if (!data.subarray(0, algorithm.length).equals(algorithm) || macEnd === 0) return undefined
  if (rest.length < macEnd + 6 || rest.length !== macEnd + 6 + rest.readUInt16BE(macEnd + 4)) return undefined
  const id = rest.readUInt16BE(macEnd)
  return { times: rest.subarray(0, 8), mac: rest.subarray(10, macEnd), id, tail: rest.subarray(macEnd + 2) }
}

/** Section 4.3.3; `times` is time signed and fudge, `tail` is error, other length and other data. */
function variables(key: TsigKey, times: Buffer, tail: Buffer): Buffer {
  const anyClassWithoutTtl = uint16(recordClasses.ANY, 0, 0)
  return Buffer.concat([encodeName(key.name), anyClassWithoutTtl, encodeName(key.algorithm), times, tail])
}

function digest(key: TsigKey, parts: readonly Buffer[]): Buffer {
  const hmac = createHmac(key.algorithm.slice('hmac-'.length), Buffer.from(key.secret.reveal(), 'base64'))
  for (const part of parts) hmac.update(part)
  return hmac.digest()
}

function uint48(number: number): Buffer {
  const bytes = Buffer.alloc(6)
  bytes.writeUIntBE(number, 0, 6)
  return bytes
}
