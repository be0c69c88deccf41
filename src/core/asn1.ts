import { Buffer } from 'node:buffer'
import forge from 'node-forge'

/**
 * DER for what node:crypto does not read or write: the one place that imports node-forge. Never for verification.
 */
export type Asn1 = forge.asn1.Asn1

const { Class, Type, create } = forge.asn1

/** Object identifiers as `1.2.840.113549.1.7.1`. */
export function oid(dotted: string): Asn1 {
  return create(Class.UNIVERSAL, Type.OID, false, forge.asn1.oidToDer(dotted).getBytes())
}

export function sequence(...parts: readonly Asn1[]): Asn1 {
  return create(Class.UNIVERSAL, Type.SEQUENCE, true, [...parts])
}

export function set(...parts: readonly Asn1[]): Asn1 {
  return create(Class.UNIVERSAL, Type.SET, true, [...parts])
}

/** A non-negative number below 2^31. */
export function integer(value: number): Asn1 {
  return create(Class.UNIVERSAL, Type.INTEGER, false, forge.asn1.integerToDer(value).getBytes())
}

export function octets(bytes: Uint8Array): Asn1 {
  return create(Class.UNIVERSAL, Type.OCTETSTRING, false, binary(bytes))
}

export function nothing(): Asn1 {
  return create(Class.UNIVERSAL, Type.NULL, false, '')
}

export function bmpString(text: string): Asn1 {
  return create(Class.UNIVERSAL, Type.BMPSTRING, false, text)
}

/** `[number] EXPLICIT`. */
export function tagged(number: number, inner: Asn1): Asn1 {
  return create(Class.CONTEXT_SPECIFIC, number, true, [inner])
}

/** `[number] IMPLICIT OCTET STRING`. */
export function taggedOctets(number: number, bytes: Uint8Array): Asn1 {
  return create(Class.CONTEXT_SPECIFIC, number, false, binary(bytes))
}

export function writeDer(value: Asn1): Buffer {
  return Buffer.from(forge.asn1.toDer(value).getBytes(), 'latin1')
}

/** Throws forge's error when it is no DER. */
export function readDer(bytes: Uint8Array): Asn1 {
  return forge.asn1.fromDer(binary(bytes))
}

/** The parts of a constructed value; none of a primitive one. */
export function partsOf({ value }: Asn1): readonly Asn1[] {
  return Array.isArray(value) ? value : []
}

/** The content of a primitive value; empty of a constructed one. */
export function bytesOf({ value }: Asn1): Buffer {
  return Buffer.from(typeof value === 'string' ? value : '', 'latin1')
}

/** Whether it is tagged `[number]`. */
export function isTagged({ tagClass, type }: Asn1, number: number): boolean {
  return tagClass === Class.CONTEXT_SPECIFIC && Object.is(type, number)
}

/** forge keeps bytes as the characters of a string. */
function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}
