// Decoders for the contents of primitive DER types: X.690 sections 8.2, 8.3, 8.6 and 11.1 to 11.2.

import { PkiError } from '../errors/index.ts'
import type { DerReader } from './der-reader.ts'
import { tags } from './tags.ts'

/** BOOLEAN content: 00 or FF (X.690 11.1). @throws ERR_DER */
export function booleanContent(reader: DerReader, what: string): boolean {
  const octet = reader.bytes[reader.contentStart]
  if (reader.contentEnd - reader.contentStart !== 1 || (octet !== 0 && octet !== 0xff)) {
    throw new PkiError('ERR_DER', `${what}: a BOOLEAN that is not one octet 00 or FF (X.690 11.1)`)
  }
  return octet === 0xff
}

/**
 * `BOOLEAN DEFAULT FALSE`: reads the next element if it is one. DER leaves the default out (X.690 11.5).
 *
 * @throws ERR_DER for an encoded FALSE.
 */
export function optionalTrue(reader: DerReader, what: string): boolean {
  if (!reader.optional(tags.boolean)) return false
  if (!booleanContent(reader, what)) throw new PkiError('ERR_DER', `${what}: FALSE is the default and must be left out (X.690 11.5)`)
  return true
}

/** Refuses INTEGER content that is empty or padded (X.690 8.3.2). @throws ERR_DER */
export function checkInteger(bytes: Uint8Array, start: number, end: number, what: string): void {
  if (end <= start) throw new PkiError('ERR_DER', `${what}: an INTEGER without content`)
  if (end - start === 1) return
  const first = bytes[start] as number
  const second = bytes[start + 1] as number
  if ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)) {
    throw new PkiError('ERR_DER', `${what}: an INTEGER that is not minimal (X.690 8.3.2)`)
  }
}

/** The content octets of the INTEGER read last, minimal two's complement. @throws ERR_DER */
export function integerContent(reader: DerReader, what: string): Uint8Array {
  checkInteger(reader.bytes, reader.contentStart, reader.contentEnd, what)
  return reader.content()
}

/** The INTEGER read last as a number from 0 to 2^31 - 1. @throws ERR_DER on any other. */
export function smallInteger(reader: DerReader, what: string): number {
  const { bytes, contentStart, contentEnd } = reader
  checkInteger(bytes, contentStart, contentEnd, what)
  if (contentEnd - contentStart > 4 || (bytes[contentStart] as number) >= 0x80) {
    throw new PkiError('ERR_DER', `${what}: an INTEGER below 0 or above 2^31 - 1`)
  }
  let value = 0
  for (let i = contentStart; i < contentEnd; i++) value = value * 256 + (bytes[i] as number)
  return value
}

/** A BIT STRING: its octets and how many bits of the last one do not count. */
export interface BitString {
  readonly bytes: Uint8Array
  readonly unusedBits: number
}

/** BIT STRING content; unused bits are zero (X.690 11.2.1). @throws ERR_DER */
export function bitStringContent(reader: DerReader, what: string): BitString {
  const { bytes, contentStart, contentEnd } = reader
  const unusedBits = bytes[contentStart] as number
  if (contentEnd <= contentStart || unusedBits > 7 || (unusedBits > 0 && contentEnd - contentStart === 1)) {
    throw new PkiError('ERR_DER', `${what}: a BIT STRING with a wrong count of unused bits`)
  }
  if (unusedBits > 0 && ((bytes[contentEnd - 1] as number) & ((1 << unusedBits) - 1)) !== 0) {
    throw new PkiError('ERR_DER', `${what}: a BIT STRING whose unused bits are not zero (X.690 11.2.1)`)
  }
  return { bytes: bytes.subarray(contentStart + 1, contentEnd), unusedBits }
}

/** The octets of a BIT STRING that has no unused bits: a key or a signature. @throws ERR_DER */
export function wholeOctetsBitString(reader: DerReader, what: string): Uint8Array {
  const { bytes, unusedBits } = bitStringContent(reader, what)
  if (unusedBits !== 0) throw new PkiError('ERR_DER', `${what}: a BIT STRING of ${String(unusedBits)} unused bits where there can be none`)
  return bytes
}

/**
 * A named-bit list (KeyUsage, ReasonFlags) as a number, first named bit = bit 0. DER drops trailing zeros (X.690 11.2.2).
 *
 * @throws ERR_DER on a list that is empty, padded or longer than 16 bits.
 */
export function namedBits(reader: DerReader, what: string): number {
  const { bytes, unusedBits } = bitStringContent(reader, what)
  if (bytes.length === 0 || bytes.length > 2) throw new PkiError('ERR_DER', `${what}: a bit list of ${String(bytes.length)} octets`)
  const last = bytes[bytes.length - 1] as number
  if (((last >> unusedBits) & 1) === 0) throw new PkiError('ERR_DER', `${what}: a bit list that ends in zero bits (X.690 11.2.2)`)
  let bits = 0
  for (let i = 0; i < bytes.length * 8; i++) if (((bytes[i >> 3] as number) >> (7 - (i & 7))) & 1) bits |= 1 << i
  return bits
}

/** NULL content: nothing. @throws ERR_DER */
export function nullContent(reader: DerReader, what: string): void {
  if (reader.contentEnd !== reader.contentStart) throw new PkiError('ERR_DER', `${what}: a NULL with content`)
}
