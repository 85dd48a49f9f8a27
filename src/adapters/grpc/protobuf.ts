// Protobuf messages in the form that grpc-js expects.

import { fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'

/**
 * Unknown fields are dropped, as proto3 allows; known fields nest only a few levels deep.
 */
const strict = { readUnknownFields: false, recursionLimit: 32 } as const

/** Reads a message. @throws an error of the protobuf library, which grpc-js turns into a status */
export function decode<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  return fromBinary(schema, bytes, strict)
}

/** Writes a message. */
export function encode<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Buffer {
  return asBuffer(toBinary(schema, message))
}

/** Passes octets through unchanged. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
