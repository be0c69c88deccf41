import { Buffer } from 'node:buffer'
import { name as nameCodec, record as recordCodec } from 'dns-packet'

/** DNS messages on the wire (RFC 1035 section 4). Names are lower case without a trailing dot; the root is `.`. */
export interface DnsMessage {
  readonly id: number
  /** `NOERROR`, `NXDOMAIN`, …; `RCODE23` when it has no name here. Extended by EDNS (RFC 6891). */
  readonly rcode: string
  readonly response: boolean
  readonly authoritative: boolean
  /** Ask again over TCP; a truncated message is decoded without records (RFC 2181 section 9). */
  readonly truncated: boolean
  readonly questions: readonly Question[]
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
  readonly additionals: readonly DnsRecord[]
}

export interface Question {
  readonly name: string
  readonly type: DnsRecord['type']
}

export interface DnsRecord {
  readonly name: string
  /** `TYPE65` when it has no name here (RFC 3597). */
  readonly type: RecordType | `TYPE${number}`
  readonly class: number
  readonly ttl: number
  /** An address, a name, or TXT strings joined; the primary's name for SOA; empty for other types. */
  readonly text: string
  readonly data: Uint8Array
  /** Where the record begins in the message. */
  readonly offset: number
}

const knownTypes = ['A', 'NS', 'CNAME', 'SOA', 'TXT', 'AAAA', 'OPT', 'TSIG', 'CAA'] as const
export type RecordType = (typeof knownTypes)[number]

export const recordTypes: Readonly<Record<RecordType, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  TXT: 16,
  AAAA: 28,
  OPT: 41,
  TSIG: 250,
  CAA: 257,
}

export const recordClasses = { IN: 1, NONE: 254, ANY: 255 } as const

const rcodes: Readonly<Record<number, string>> = {
  0: 'NOERROR',
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
  8: 'NXRRSET',
  9: 'NOTAUTH',
  10: 'NOTZONE',
  16: 'BADVERS',
}

/** Throws an Error for anything malformed, for the caller to name the server, in time linear to the message's records. */
export function decodeMessage(bytes: Uint8Array): DnsMessage {
  try {
    return decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    throw new Error(`malformed DNS message of ${bytes.length} bytes: ${cause}`, { cause: error })
  }
}

function decode(bytes: Buffer): DnsMessage {
  const flags = bytes.readUInt16BE(2)
  const truncated = (flags & 0x200) !== 0
  const counts = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at))
  let offset = 12
  const list = <T>(count: number | undefined, read: (bytes: Buffer, offset: number) => Read<T>): T[] =>
    Array.from({ length: count ?? 0 }, () => {
      const { value, next } = read(bytes, offset)
      offset = next
      return value
    })
  const questions = list(counts[0], readQuestion)
  const [answers = [], authorities = [], additionals = []] = [1, 2, 3].map((section) =>
    list(truncated ? 0 : counts[section], readRecord),
  )
  const opt = additionals.find((record) => record.type === 'OPT')
  const rcode = (flags & 0xf) | (((opt?.ttl ?? 0) >>> 24) << 4)
  return {
    id: bytes.readUInt16BE(0),
    rcode: rcodes[rcode] ?? `RCODE${rcode}`,
    response: (flags & 0x8000) !== 0,
    authoritative: (flags & 0x400) !== 0,
    truncated,
    questions,
    answers,
    authorities,
    additionals,
  }
}

interface Read<T> {
  readonly value: T
  readonly next: number
}

function readQuestion(bytes: Buffer, offset: number): Read<Question> {
  const { value: name, next } = readName(bytes, offset)
  return { value: { name, type: typeOf(bytes.readUInt16BE(next)) }, next: next + 4 }
}

function readRecord(bytes: Buffer, offset: number): Read<DnsRecord> {
  const { value: name, next: fixed } = readName(bytes, offset)
  const type = typeOf(bytes.readUInt16BE(fixed))
  const start = fixed + 10
  const next = start + bytes.readUInt16BE(start - 2)
  if (next > bytes.length) throw new Error('a record ends behind the message')
  return {
    value: {
      name,
      type,
      class: bytes.readUInt16BE(fixed + 2),
      ttl: bytes.readUInt32BE(fixed + 4),
      text: readText(type, bytes.subarray(0, next), start),
      data: bytes.subarray(start, next),
      offset,
    },
    next,
  }
}

/** `bytes` ends where the record ends. */
function readText(type: DnsRecord['type'], bytes: Buffer, start: number): string {
  if (type === 'A' || type === 'AAAA') {
    const wanted = type === 'A' ? 4 : 16
    if (bytes.length - start !== wanted) throw new Error(`an ${type} record is not ${wanted} bytes long`)
    return recordCodec(type).decode(bytes, start - 2)
  }
  // A SOA begins with its primary's name.
  if (type === 'NS' || type === 'CNAME' || type === 'SOA') return readName(bytes, start).value
  if (type === 'TXT') return Buffer.concat(recordCodec('TXT').decode(bytes, start - 2)).toString()
  return ''
}

function readName(bytes: Buffer, offset: number): Read<string> {
  const value = nameCodec.decode(bytes, offset).toLowerCase()
  if (!/^[\x21-\x7e]+$/.test(value)) throw new Error('a name is not printable ASCII')
  return { value, next: offset + nameCodec.decode.bytes }
}

function typeOf(number: number): DnsRecord['type'] {
  return knownTypes.find((type) => recordTypes[type] === number) ?? `TYPE${number}`
}
