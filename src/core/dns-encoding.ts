import { Buffer } from 'node:buffer'
import { name as nameCodec } from 'dns-packet'
import { recordClasses, recordTypes, type RecordType } from './dns-message.ts'
import { ProviderError } from './errors.ts'

export interface NewMessage {
  readonly id: number
  /** Opcode 5 is UPDATE (RFC 2136): its zone is the question, its changes are the authorities. */
  readonly opcode?: 0 | 5
  readonly recursionDesired?: boolean
  /** Ask a validating resolver for what it would refuse (CD, RFC 4035 section 3.2.2). */
  readonly checkingDisabled?: boolean
  readonly question: { readonly name: string; readonly type: RecordType }
  readonly authorities?: readonly NewRecord[]
  /** UDP payload size to offer by EDNS. */
  readonly udpPayloadSize?: number
}

export interface NewRecord {
  readonly name: string
  readonly type: RecordType
  readonly class: number
  readonly ttl: number
  readonly data: Uint8Array
}

/** Throws ProviderError when a name can't stand in DNS (63 bytes a label, 255 in all). */
export function encodeMessage(message: NewMessage): Buffer {
  const bits = (message.recursionDesired ? 0x100 : 0) | (message.checkingDisabled ? 0x10 : 0)
  const flags = ((message.opcode ?? 0) << 11) | bits
  const authorities = message.authorities ?? []
  const options = message.udpPayloadSize ? [optRecord(message.udpPayloadSize)] : []
  return Buffer.concat([
    uint16(message.id, flags, 1, 0, authorities.length, options.length),
    encodeName(message.question.name),
    uint16(recordTypes[message.question.type], recordClasses.IN),
    ...authorities.map(encodeRecord),
    ...options,
  ])
}

export function encodeRecord(record: NewRecord): Buffer {
  const ttl = Buffer.alloc(4)
  ttl.writeUInt32BE(record.ttl)
  const type = uint16(recordTypes[record.type], record.class)
  return Buffer.concat([encodeName(record.name), type, ttl, uint16(record.data.length), record.data])
}

/** Wire form, lower case, uncompressed: the canonical form of RFC 4034 section 6.2, too. */
export function encodeName(name: string): Uint8Array {
  const text = name.toLowerCase().replace(/\.$/, '')
  const labels = text === '' ? [] : text.split('.')
  const fits = labels.every((label) => label !== '' && Buffer.byteLength(label) <= 63)
  if (!fits || Buffer.byteLength(text) > 253) throw new ProviderError(`no DNS name: ${JSON.stringify(name)}`)
  return nameCodec.encode(text || '.')
}

/** RDATA of a TXT record: strings of at most 255 bytes. */
export function txtData(value: string): Buffer {
  const bytes = Buffer.from(value)
  const strings = []
  for (let start = 0; start < bytes.length || start === 0; start += 255) {
    const part = bytes.subarray(start, start + 255)
    strings.push(Buffer.of(part.length), part)
  }
  return Buffer.concat(strings)
}

/** Big-endian 16-bit numbers in a row. */
export function uint16(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 2)
  numbers.forEach((number, index) => bytes.writeUInt16BE(number, index * 2))
  return bytes
}

/** EDNS (RFC 6891 section 6.1.2): the class field carries the size. */
function optRecord(udpPayloadSize: number): Buffer {
  const data = Buffer.alloc(0)
  return encodeRecord({ name: '.', type: 'OPT', class: udpPayloadSize, ttl: 0, data })
}
