// Protobuf messages in the form that grpc-js expects.

import { fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { BinaryReader } from '@bufbuild/protobuf/wire'

/**
 * Unknown fields are dropped, as proto3 allows; known fields nest only a few levels deep.
 */
const strict = { readUnknownFields: false, recursionLimit: 32 } as const

/** Reads a message. @throws an error of the protobuf library, which grpc-js turns into a status */
export function decode<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  return fromBinary(schema, bytes, strict)
}

/**
 * Counts the fields of a message without decoding it; map entries and the values of a repeated field count
 * one by one. Stops at a malformed field, which `decode` refuses.
 */
export function countFields(bytes: Uint8Array): number {
  const reader = new BinaryReader(bytes)
  let count = 0
  try {
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag()
      reader.skip(type, field)
      count++
    }
  } catch {
    return count
  }
  return count
}

/** Writes a message. */
export function encode<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Buffer {
  return asBuffer(toBinary(schema, message))
}

/** Passes octets through unchanged. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
